/**
 * For a broker whose memory a test looks at: `--expose-gc --import` this file. SIGUSR2 makes it
 * collect what nobody holds, and say so.
 */
let count = 0;

process.on('SIGUSR2', () => {
  globalThis.gc!();
  process.stdout.write(`collected ${++count}\n`);
});
