// Undo and redo over snapshots. Changes with one label that follow each other quickly are one step.

interface Step {
  label: string;
  state: string;
}

export class History {
  private past: Step[] = [];
  private future: Step[] = [];
  private last: { label: string; at: number } | null = null;

  constructor(
    private readonly limit = 200,
    private readonly within = 1200,
  ) {}

  /** Remembers what was before a change. */
  note(label: string, before: string, now = Date.now()): void {
    const joins = this.last !== null && this.last.label === label && now - this.last.at < this.within;
    this.last = { label, at: now };
    if (joins) return;
    this.past.push({ label, state: before });
    if (this.past.length > this.limit) this.past.shift();
    this.future = [];
  }

  undo(now: string): Step | null {
    const step = this.past.pop();
    this.last = null;
    if (!step) return null;
    this.future.push({ label: step.label, state: now });
    return step;
  }

  redo(now: string): Step | null {
    const step = this.future.pop();
    this.last = null;
    if (!step) return null;
    this.past.push({ label: step.label, state: now });
    return step;
  }

  clear(): void {
    this.past = [];
    this.future = [];
    this.last = null;
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }
}
