/**
 * Asks about what changes all the time: one question at a time, with a pause between two, and always about the newest
 * that is wanted. What is wanted in between is never asked about.
 */
export class LatestOnly<Wanted> {
  private wanted: { value: Wanted } | null = null;
  private isBusy = false;
  private round = 0;

  /** `run` asks; an answer counts only while `isLatest` says so. */
  constructor(
    private readonly pauseMs: number,
    private readonly run: (wanted: Wanted, isLatest: () => boolean) => Promise<void>,
  ) {}

  ask(value: Wanted): void {
    this.wanted = { value };
    if (!this.isBusy) void this.work();
  }

  /** Want nothing any more: an answer that is under way counts no more. */
  forget(): void {
    this.wanted = null;
    this.round++;
  }

  private async work(): Promise<void> {
    this.isBusy = true;
    while (this.wanted !== null) {
      const { value } = this.wanted;
      const round = this.round;
      this.wanted = null;
      await this.run(value, () => round === this.round);
      await new Promise((done) => setTimeout(done, this.pauseMs));
    }
    this.isBusy = false;
  }
}
