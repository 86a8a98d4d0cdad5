/** What `tidewire redis-check` prints: a table and findings for people, or JSON for scripts. */
import { isReplica, serverText } from './store/redis/facts.js';
import { type Finding, findingLevels, type Reported, sizeText } from './store/redis/finding.js';
import { onlineReplicas } from './store/redis/info.js';
import type { Survey, SurveyedNode } from './store/redis/survey.js';

/** One object; fields are added, never renamed. */
export function reportJson(survey: Survey, findings: readonly Reported[]): string {
  const { ackLevel, isCluster, nodes } = survey;
  const report = { isCluster, ackLevel, nodes: nodes.map(nodeJson), findings, ...counts(findings) };
  return `${JSON.stringify(report, null, 2)}\n`;
}

export function reportText(survey: Survey, findings: readonly Reported[]): string {
  const parts = [heading(survey), table(survey.nodes), ...findings.map(paragraph), sum(findings)];
  // Whatever a server calls itself cannot move the cursor.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return `${parts.join('\n\n')}\n`.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, '?');
}

function heading({ ackLevel, isCluster, nodes }: Survey): string {
  const what = isCluster ? 'Redis Cluster' : 'Redis, no cluster';
  const level = ackLevel === null ? 'ack_level is left to the broker' : `ack_level ${ackLevel}`;
  return `${what}, ${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}; ${level}`;
}

function table(nodes: readonly SurveyedNode[]): string {
  const head = ['node', 'role', 'slots', 'server', 'memory', 'replicas', 'round trip, worst'];
  const rows = [head, ...nodes.map(rowOf)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

function rowOf({ isPrimary, look, name, primary, slots }: SurveyedNode): string[] {
  const role = isPrimary ? 'primary' : `replica of ${primary ?? '?'}`;
  if (typeof look === 'string') return [name, role, slots, 'cannot be asked', '', '', ''];
  const { facts, latency } = look;
  const limit = facts.config?.number('maxmemory') ?? 0;
  const used = sizeText(facts.info.number('used_memory'));
  return [
    name,
    role,
    slots,
    serverText(facts.info),
    limit > 0 ? `${used} of ${sizeText(limit)}` : used,
    isReplica(facts.info) ? '' : `${onlineReplicas(facts.info)}`,
    `${msText(latency.medianMs)}, ${msText(latency.worstMs)}`,
  ];
}

function nodeJson({ flags, isPrimary, look, name, primary, slots }: SurveyedNode): object {
  const node = { name, role: isPrimary ? 'primary' : 'replica', primary, slots, flags };
  if (typeof look === 'string') return { ...node, problem: look };
  const { facts, latency } = look;
  return {
    ...node,
    problem: null,
    server: serverText(facts.info),
    usedMemory: facts.info.number('used_memory'),
    maxMemory: facts.config?.number('maxmemory') ?? null,
    replicas: isReplica(facts.info) ? null : onlineReplicas(facts.info),
    roundTripMs: { median: rounded(latency.medianMs), worst: rounded(latency.worstMs) },
  };
}

function paragraph({ level, name, nodes, todo, what, why }: Reported): string {
  const where = nodes.length === 0 ? '' : `  ${nodes.join(', ')}`;
  const kind = level === 'error' ? 'ERROR' : level;
  return `${kind}  ${name}${where}\n  what  ${what}\n  why   ${why}\n  do    ${todo}`;
}

function sum(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'nothing to change';
  const { advice, errors, warnings } = counts(findings);
  const plural = (count: number, one: string) => `${count} ${one}${count === 1 ? '' : 's'}`;
  return `${plural(errors, 'error')}, ${plural(warnings, 'warning')}, ${advice} of advice`;
}

function counts(findings: readonly Finding[]) {
  const [errors, warnings, advice] = findingLevels.map(
    (one) => findings.filter(({ level }) => level === one).length,
  );
  return { errors, warnings, advice };
}

function msText(ms: number): string {
  return `${rounded(ms)} ms`;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
