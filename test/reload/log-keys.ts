/** What shows that SIGHUP has changed a key of the log: by key. */
import { writeFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { until } from '../support/until.js';
import { type Observations, RunningService } from './running-service.js';

const open = ['listener PORT 127.0.0.1', 'allow_anonymous true'];

/** What the log says of a client that connects and subscribes after a reload with `line`. */
function linesAfter(line: string, check: (lines: readonly string[]) => void) {
  return (): Promise<void> =>
    RunningService.with(open, async (running) => {
      running.reload([...open, line]);
      await until('the reload', () => running.logged('reloaded').length === 1);
      const before = running.logged('').length;
      const client = await running.connect({ clientId: 'somebody' });
      await client.subscribe('filter', 0);
      await client.end();
      // Written after all that the client caused.
      running.reload([...open, line]);
      await until('the second reload', () => running.logged('reloaded').length >= 2);
      check(running.logged('').slice(before));
    });
}

const has = (lines: readonly string[], part: string): boolean =>
  lines.some((line) => line.includes(part));

export const logKeys: Observations = {
  log_type: linesAfter('log_type subscribe\nlog_type notice', (lines) =>
    assert.ok(has(lines, '"level":"subscribe"'), lines.join('\n')),
  ),
  log_timestamp: linesAfter('log_timestamp false', (lines) =>
    assert.not(has(lines, '"time"'), lines.join('\n')),
  ),
  log_timestamp_format: linesAfter('log_timestamp_format year %Y', (lines) =>
    assert.ok(has(lines, '"time":"year 2'), lines.join('\n')),
  ),
  connection_messages: linesAfter('connection_messages false', (lines) =>
    assert.not(has(lines, 'client connected'), lines.join('\n')),
  ),
  log_dest: () =>
    RunningService.with(open, async (running) => {
      running.reload(['log_dest file FOLDER/other', ...open]);
      await running.connect({ clientId: 'somebody' });
      await until('a line', () => running.logged('somebody', 'other').length > 0);
      assert.equal(running.logged('somebody'), []);
    }),
  log_facility: async () => {
    const path = process.env.PATH;
    const lines = ['log_dest syslog', ...open];
    try {
      await RunningService.with(open, async (running) => {
        const script = `#!/bin/sh\ncat > ${running.folder.file('syslog')}.$$\n`;
        writeFileSync(running.folder.file('logger'), script, { mode: 0o700 });
        process.env.PATH = `${running.folder.path}:${path}`;
        running.reload([...lines, 'log_facility 1']);
        running.reload([...lines, 'log_facility 2']);
        await running.connect();
        running.reload(open);
        // <PRIORITY> is 8 * facility + severity: local1 is 17, local2 is 18; notice is 5.
        await until('both facilities', () => {
          const said = running.files('syslog.').join('');
          return said.includes('<141>') && said.includes('<149>');
        });
      });
    } finally {
      process.env.PATH = path;
    }
  },
};
