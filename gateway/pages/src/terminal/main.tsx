import { options, render } from "preact";
import "../shared/shared.css";
import "./terminal.css";
import { inNextFrame } from "../shared/frames";
import { beginTheme } from "../shared/theme";
import { beginAccount } from "./account_feed";
import { App } from "./app";
import { beginKeys } from "./keys";
import { beginMarket } from "./market_feed";
import { venue } from "./state";
import { beginTicket } from "./ticket_state";

// A thousand messages a second change what is shown a thousand times; it is drawn once a frame.
options.debounceRendering = inNextFrame;

beginTheme();
beginAccount();
beginMarket();
beginTicket();
beginKeys();
venue.connect();
addEventListener("online", () => venue.connectNow());
render(<App />, document.getElementById("terminal")!);
