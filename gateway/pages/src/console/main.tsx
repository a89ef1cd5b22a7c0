import { render } from "preact";
import "../shared/shared.css";
import { beginTheme } from "../shared/theme";
import { Venue } from "../shared/venue";
import { App } from "./app";
import "./console.css";
import { begin } from "./state";

beginTheme();
const venue = new Venue();
begin(venue);
venue.connect();
render(<App venue={venue} />, document.getElementById("console")!);
