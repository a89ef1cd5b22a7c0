import { render } from "preact";
import "../shared/shared.css";
import "./terminal.css";
import { beginTheme } from "../shared/theme";
import { beginAccount } from "./account_feed";
import { App } from "./app";
import { beginMarket } from "./market_feed";
import { venue } from "./state";

beginTheme();
beginAccount();
beginMarket();
venue.connect();
addEventListener("online", () => venue.connectNow());
render(<App />, document.getElementById("terminal")!);
