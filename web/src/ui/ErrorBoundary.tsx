// A mistake in one view must not take the others with it: it says so and offers the way back.
import { Component, type ComponentChildren } from "preact";
import { Button } from "./Button";

export class ErrorBoundary extends Component<{ children: ComponentChildren; of: string }, { failed: string }> {
  override state = { failed: "" };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ failed: error instanceof Error ? error.message : String(error) });
  }

  override componentDidUpdate(before: { of: string }): void {
    if (before.of !== this.props.of && this.state.failed) this.setState({ failed: "" });
  }

  override render(): ComponentChildren {
    if (!this.state.failed) return this.props.children;
    return (
      <div class="empty" role="alert">
        <p>This view stopped on an error of its own ({this.state.failed}). Recording and snapshots are not affected.</p>
        <div class="empty-actions"><Button onClick={() => this.setState({ failed: "" })}>Show it again</Button></div>
      </div>
    );
  }
}
