/** docs/benchmarks.md, made from the results alone. */
import { IDLE_CONNECTIONS } from '../e2e/workloads.js';
import type { Machine } from '../machine.js';
import { clusterPart, clusterRun } from './cluster-part.js';
import { durablePart, durableRun } from './durable-part.js';
import type {
  EndToEndSection,
  MicroSection,
  OtherGeneratorSection,
  Results,
  ScaleSection,
  SectionHead,
} from './results.js';
import { detailTable, microTable, scaleTable, summaryTable, toMarkdown } from './tables.js';

export function toReport(results: Results): string {
  const parts = [
    '# Benchmarks',
    `Made by \`npm run bench\`; do not edit. How and why it measures like this:
[ADR 5](adr/0005-benchmarks.md). One broker beside others, durable sessions, brokers that share a
Redis
([cluster](#cluster)), many subscriptions, and the parts alone.`,
  ];
  if (results.endToEnd !== null) parts.push(...endToEndPart(results.endToEnd));
  if (results.otherGenerator !== null) parts.push(...otherPart(results.otherGenerator));
  if (results.durable !== null) {
    const { durable } = results;
    parts.push('## Durable sessions', runBy(durable, durableRun(durable)), ...durablePart(durable));
  }
  if (results.cluster !== null) {
    const { cluster } = results;
    parts.push('## Cluster', runBy(cluster, clusterRun(cluster)), ...clusterPart(cluster));
  }
  if (results.scale !== null) parts.push(...scalePart(results.scale));
  if (results.micro !== null) parts.push(...microPart(results.micro));
  return `${parts.join('\n\n')}\n`;
}

function endToEndPart(section: EndToEndSection): string[] {
  const { rounds, seconds } = section.settings;
  const brokers = section.brokers.map(({ name, version }) => `${name} ${version}`).join(', ');
  const notes = section.rows.filter(({ note }) => note !== '');
  return [
    '## End to end',
    runBy(
      section,
      `${brokers}; ${rounds} round${rounds === 1 ? '' : 's'} of ${seconds} s each, medians`,
    ),
    '![Bar chart of the table below](benchmarks.svg)',
    `Deliveries per second of broker CPU time (user and system, all threads), measured in one run:
for each workload each broker in turn, a fresh process each time, in its default configuration
but for the port and \`allow_anonymous true\`. \`must\` and \`aim\` are multiples of Mosquitto's
figure: the median of the rounds' own multiples, the least and the greatest of which are beside it,
since a shared machine is not as fast in one minute as in the next. The last row is the growth of
resident memory per connection, with
${IDLE_CONNECTIONS.toLocaleString('en')} of them.`,
    toMarkdown(summaryTable(section)),
    ...notes.map(({ workload, note }) => `${workload.name}: ${note}.`),
    `ᵍ generator-bound: the load generator used at least 0.95 of a core while the broker used less
than 0.9, so the broker could have delivered more per second. The figure per CPU second still
holds, but a broker that has to wait gets smaller batches.`,
    '### Wall-clock figures',
    `CPU is in cores: 1.00 is one core all the time. Latency is from publish to delivery in the
closed loop, so it is mostly the time that a message waits among the others in the window. Lost:
deliveries that did not come within 3 s of the end (a broker with a short queue drops them).`,
    toMarkdown(detailTable(section)),
  ];
}

/** The figures of a closed loop depend on who drives it: a second opinion. */
function otherPart(section: OtherGeneratorSection): string[] {
  const { rounds, seconds } = section.settings;
  const run = `${rounds} round${rounds === 1 ? '' : 's'} of ${seconds} s each, medians`;
  return [
    `### With the load generator \`${section.generator}\``,
    runBy(section, run),
    `The same workloads, driven by a program in C with the same options
(\`npm run bench -- --generator FILE\`). It is done sooner with what it gets and sleeps until more
comes. A broker that writes message by message has to wake it each time and pays for that in CPU
time; one that writes in large pieces hardly notices. \`must\` and \`aim\` were set with it.`,
    toMarkdown(summaryTable(section)),
    ...section.rows
      .filter(({ note }) => note !== '')
      .map(({ workload, note }) => `${workload.name}: ${note}.`),
  ];
}

function scalePart(section: ScaleSection): string[] {
  return [
    '## Many subscriptions',
    runBy(section, 'one process per size'),
    `Half of the filters are exact, the others have \`+\` or \`#\` at various levels. Match times
are medians over topics that were not matched before, so no cache helps; in parentheses how many
subscriptions one topic matched on average.`,
    toMarkdown(scaleTable(section)),
    growthOf(section),
  ].filter((part) => part !== '');
}

/** What ten times the subscriptions cost, in words. */
function growthOf(section: ScaleSection): string {
  const [small, large] = section.rows;
  if (small === undefined || large === undefined) return '';
  const times = large.subscriptions / small.subscriptions;
  const matches = large.matches.map((match, i) => {
    return `${match.name} ${(match.ns / small.matches[i].ns).toFixed(1)}×`;
  });
  const memory = (large.bytesPerSubscription / small.bytesPerSubscription).toFixed(2);
  return `With ${times}× the subscriptions, memory per subscription grows ${memory}×, and the time
of a match: ${matches.join(', ')}. A match visits
as many nodes in the large index as in the small one; what differs is how many of them the
processor's caches hold.`;
}

function microPart(section: MicroSection): string[] {
  return ['## Parts', runBy(section, 'tinybench'), toMarkdown(microTable(section))];
}

function runBy(head: SectionHead, how: string): string {
  return `${head.date}, ${machineText(head.machine)}. ${how}.`;
}

function machineText(machine: Machine): string {
  const { cpu, cores, memoryGiB, system, node } = machine;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}`;
}
