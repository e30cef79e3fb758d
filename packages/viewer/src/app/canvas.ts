/** A canvas as sharp as the screen, in the colours of the page. */
export interface Pane {
  readonly element: HTMLCanvasElement;
  readonly context: CanvasRenderingContext2D;
  /** CSS pixels. */
  width: number;
  height: number;
}

export function newPane(height: number, label: string): Pane {
  const element = document.createElement('canvas');
  element.className = 'pane';
  element.tabIndex = 0;
  element.setAttribute('role', 'img');
  element.setAttribute('aria-label', label);
  return { element, context: element.getContext('2d') as CanvasRenderingContext2D, width: 0, height };
}

/** Before each drawing: takes the size that the page gives it, and wipes it. */
export function wipe(pane: Pane): void {
  const { element, context, height } = pane;
  const ratio = window.devicePixelRatio || 1;
  pane.width = element.parentElement?.clientWidth ?? 600;
  element.style.height = `${height}px`;
  element.style.width = `${pane.width}px`;
  element.width = Math.round(pane.width * ratio);
  element.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, pane.width, height);
  context.font = '12px system-ui, "DejaVu Sans", sans-serif';
  context.textBaseline = 'middle';
}

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Text that ends where its room does; nothing where there is no room for a word. */
export function label(context: CanvasRenderingContext2D, text: string, x: number, y: number, room: number): void {
  if (room < 24) return;
  let shown = text;
  if (context.measureText(shown).width > room) {
    while (shown.length > 3 && context.measureText(`${shown}…`).width > room) shown = shown.slice(0, -Math.ceil(shown.length / 8));
    if (shown.length <= 3) return;
    shown += '…';
  }
  context.fillText(shown, x, y);
}
