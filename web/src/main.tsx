import "./style/tokens.css";
import { render } from "preact";

render(<main>Trawl</main>, document.getElementById("app")!);
