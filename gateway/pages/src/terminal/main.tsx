import { render } from "preact";
import "../shared/shared.css";
import "./terminal.css";
import { beginTheme } from "../shared/theme";
import { beginAccount } from "./account_feed";
import { App } from "./app";
import { beginKeys } from "./keys";
import { beginMarket } from "./market_feed";
import { venue } from "./state";
import { beginTicket } from "./ticket_state";

beginTheme();
beginAccount();
beginMarket();
beginTicket();
beginKeys();
venue.connect();
addEventListener("online", () => venue.connectNow());
render(<App />, document.getElementById("terminal")!);
