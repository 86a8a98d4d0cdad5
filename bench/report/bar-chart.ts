/**
 * The chart of the end-to-end table: horizontal bars per workload, as multiples of the reference
 * broker, and a second panel for memory. Plain SVG that follows the reader's light or dark theme.
 */
import type { WorkloadResult } from '../e2e/end-to-end.js';
import { type EndToEndSection, factorOf, measurementOf, referenceOf } from './results.js';
import { times } from './tables.js';

const WIDTH = 860;
const LABELS_WIDTH = 230;
const VALUES_WIDTH = 70;
const BAR = 13;
const BAR_GAP = 3;
const ROW_GAP = 16;
const TOP = 92;

const style = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; } .small { font-size: 12px; fill: #59636e; }
  .page { fill: #ffffff; } .tidewire { fill: #0969da; } .aedes { fill: #b7791f; }
  .mosquitto { fill: #6e7781; } .rule { stroke: #6e7781; } .grid { stroke: #d1d9e0; }
  .must { stroke: #cf222e; stroke-width: 2; } .aim { stroke: #1a7f37; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .small { fill: #9198a1; } .page { fill: #0d1117; }
    .tidewire { fill: #4493f8; } .aedes { fill: #d29922; } .mosquitto { fill: #9198a1; }
    .rule { stroke: #9198a1; } .grid { stroke: #3d444d; }
    .must { stroke: #f85149; } .aim { stroke: #3fb950; }
  }`;

interface Bar {
  readonly kind: 'tidewire' | 'mosquitto' | 'aedes';
  readonly value: number;
  readonly text: string;
}
interface Row {
  readonly label: string;
  readonly bars: readonly Bar[];
  readonly must: number | null;
  readonly aim: number | null;
}

export function toChart(section: EndToEndSection): string {
  const reference = referenceOf(section);
  const parts: string[] = [heading(section, reference?.name ?? null)];
  let y = TOP;
  if (reference !== null) {
    const rows = section.rows.filter(({ workload }) => workload.kind === 'rate');
    const panel = drawPanel(rateRows(rows, reference.id), y, 1);
    parts.push(panel.svg);
    y = panel.bottom;
  }
  const memory = section.rows.filter(({ workload }) => workload.kind === 'memory');
  if (memory.length > 0) {
    parts.push(text(16, y + 22, 'small', 'KB of memory per idle connection (less is better)'));
    const panel = drawPanel(memory.map(memoryRow), y + 36, null);
    parts.push(panel.svg);
    y = panel.bottom;
  }
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 8}"`;
  const title = '<title>Deliveries per second of broker CPU time</title>';
  return `${head} viewBox="0 0 ${WIDTH} ${y + 8}" role="img">${title}
<style>${style}
</style>
<rect class="page" width="${WIDTH}" height="${y + 8}"/>
${parts.join('\n')}
</svg>
`;
}

function heading(section: EndToEndSection, reference: string | null): string {
  const what =
    reference === null
      ? 'Deliveries per second of broker CPU time'
      : `Deliveries per second of broker CPU time, as a multiple of ${reference}'s`;
  const { machine } = section;
  const where = `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${section.date}`;
  return [text(16, 28, 'title', what), text(16, 48, 'small', where), legend(section)].join('\n');
}

function legend(section: EndToEndSection): string {
  const parts: string[] = [];
  let x = 16;
  for (const { id, name, version } of section.brokers) {
    const label = `${name} ${version}`;
    parts.push(`<rect class="${id}" x="${x}" y="61" width="12" height="12"/>`);
    parts.push(text(x + 18, 72, 'small', label));
    x += 36 + label.length * 7;
  }
  for (const mark of ['must', 'aim']) {
    parts.push(`<line class="${mark}" x1="${x}" y1="59" x2="${x}" y2="75"/>`);
    parts.push(text(x + 8, 72, 'small', mark));
    x += 56;
  }
  return parts.join('\n');
}

function rateRows(
  rows: readonly WorkloadResult[],
  reference: 'tidewire' | 'mosquitto' | 'aedes',
): Row[] {
  return rows.map((row) => {
    const bars: Bar[] = [];
    for (const { broker } of row.measurements) {
      const factor = broker === reference ? null : factorOf(row, broker, reference);
      if (factor === null) continue;
      bars.push({ kind: broker, value: factor.middle, text: `${times(factor.middle)}×` });
    }
    const { name, must, aim } = row.workload;
    const isComparable = reference === 'mosquitto';
    return { label: name, bars, must: isComparable ? must : null, aim: isComparable ? aim : null };
  });
}

function memoryRow(row: WorkloadResult): Row {
  const bars = row.measurements.map(({ broker }): Bar => {
    const value = measurementOf(row, broker)!.figure;
    return { kind: broker, value, text: `${value.toFixed(1)} KB` };
  });
  const { name, must, aim } = row.workload;
  return { label: name, bars, must, aim };
}

/** Bars on a linear scale from 0; a line at `reference` when there is one. */
function drawPanel(
  rows: readonly Row[],
  top: number,
  reference: number | null,
): { svg: string; bottom: number } {
  const values = rows.flatMap(({ bars, must, aim }) => [
    ...bars.map(({ value }) => value),
    must ?? 0,
    aim ?? 0,
  ]);
  const scale = (WIDTH - LABELS_WIDTH - VALUES_WIDTH) / Math.max(...values, 1);
  const parts: string[] = [];
  let y = top;
  for (const row of rows) {
    const height = row.bars.length * (BAR + BAR_GAP) - BAR_GAP;
    parts.push(text(16, y + height / 2 + 5, '', row.label));
    for (const [i, bar] of row.bars.entries())
      parts.push(drawBar(bar, y + i * (BAR + BAR_GAP), scale));
    for (const mark of ['must', 'aim'] as const) {
      const value = row[mark];
      if (value !== null) parts.push(line(mark, value * scale, y - 3, y + BAR + 3));
    }
    y += height + ROW_GAP;
  }
  if (reference !== null) parts.unshift(line('rule', reference * scale, top - 6, y - ROW_GAP + 6));
  parts.unshift(line('grid', 0, top - 6, y - ROW_GAP + 6));
  return { svg: parts.join('\n'), bottom: y };
}

function drawBar(bar: Bar, y: number, scale: number): string {
  const width = Math.max(1, bar.value * scale);
  const place = `x="${LABELS_WIDTH}" y="${y}" width="${fixed(width)}" height="${BAR}"`;
  const value = text(LABELS_WIDTH + width + 8, y + BAR - 2, 'small', bar.text);
  return `<rect class="${bar.kind}" ${place}/>\n${value}`;
}

function line(kind: string, offset: number, from: number, to: number): string {
  const x = fixed(LABELS_WIDTH + offset);
  return `<line class="${kind}" x1="${x}" y1="${from}" x2="${x}" y2="${to}"/>`;
}

function text(x: number, y: number, kind: string, content: string): string {
  const escaped = content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  const attribute = kind === '' ? '' : ` class="${kind}"`;
  return `<text${attribute} x="${fixed(x)}" y="${fixed(y)}">${escaped}</text>`;
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}
