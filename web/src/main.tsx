import "./style/tokens.css";
import "./style/base.css";
import "./style/controls.css";
import "./style/frame.css";
import "./style/snapshots.css";
import "./style/stream.css";
import "./style/entry.css";
import "./style/nodes.css";
import { render } from "preact";
import { App } from "./App";
import { exchangeLinkToken } from "./api/client";
import { startKeys } from "./frame/keys";
import { startTheme } from "./state/preferences";
import { startRoute } from "./state/route";

startTheme();
await exchangeLinkToken();
// The link of the first start, pasted into a tab that is open already.
addEventListener("hashchange", () => void (location.hash.startsWith("#token=") && exchangeLinkToken()));
startRoute();
startKeys();
const root = document.getElementById("app");
if (root) render(<App />, root);
