import { render } from "preact";
import "../shared/shared.css";
import { beginTheme } from "../shared/theme";
import { Venue } from "../shared/venue";
import { App } from "./app";

beginTheme();
const venue = new Venue();
venue.connect();
render(<App venue={venue} />, document.getElementById("console")!);
