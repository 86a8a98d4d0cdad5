/** A run as a table, for the terminal and for docs/faults.md. */
import type { FaultReport } from './fault-run.js';
import { faultKinds } from './schedule.js';

/** The table of the faults, and that of what became of the messages. */
export function toMarkdown(report: FaultReport): string {
  const { options, seconds, acknowledged, wills, retained, injected } = report;
  const kinds = faultKinds.filter((kind) => injected.has(kind));
  const pause = (kind: (typeof kinds)[number]): string =>
    whole(report.longestPauseMs.get(kind) ?? 0);
  return [
    `Store \`${options.store}\`, seed ${options.seed}, ${seconds.toFixed(0)} s, ` +
      `${options.publishers} publishers, ${options.subscribers} subscribers and those that ` +
      `joined later, ${whole(report.reconnects)} reconnections, slowest start of the broker ` +
      `${whole(report.slowestStartMs)} ms.`,
    '',
    '| fault | injected | longest pause after it, ms |',
    '| --- | ---: | ---: |',
    ...kinds.map((kind) => `| ${kind} | ${injected.get(kind)} | ${pause(kind)} |`),
    '',
    '| messages | |',
    '| --- | ---: |',
    row('acknowledged, QoS 1', acknowledged.qos1),
    row('acknowledged, QoS 2', acknowledged.qos2),
    row('received by subscribers', report.received),
    row('lost', report.lost),
    row('repeated (QoS 1)', report.repeatedQos1),
    row('– of these sent again without DUP', report.withoutDup),
    row('repeated (QoS 2)', report.repeatedQos2),
    row('order broken', report.orderBroken),
    row('sessions lost', report.sessionsLost),
    row('wills due', wills.due),
    row('– lost', wills.lost),
    row('– published twice', wills.repeated),
    row('looks at 40 retained messages', retained.looks),
    row('– lost or older than acknowledged', retained.lost),
  ].join('\n');
}

/**
 * Puts a run's tables in the place of those of the same name.
 *
 * @param name `disk`, `redis`, or `cluster`
 */
export function replaceSection(document: string, name: string, tables: string): string {
  const [begin, end] = [`<!-- ${name}: written by --write -->`, `<!-- end of ${name} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`no section for ${name}: '${begin}' … '${end}'`);
  const head = document.slice(0, from + begin.length);
  return `${head}\n\n${tables}\n\n${document.slice(to)}`;
}

export function row(what: string, figure: number): string {
  return `| ${what} | ${whole(figure)} |`;
}

export function whole(figure: number): string {
  return Math.round(figure).toLocaleString('en').replaceAll(',', ' ');
}
