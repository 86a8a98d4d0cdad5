/**
 * What every script needs: where things are, how a child process is run, and how a failure is
 * told. These scripts are plain JavaScript without dependencies, because they run before anything
 * is installed or compiled.
 */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const oldestNode = 20;

/** The folder that holds package.json. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** A step that failed; its message, and nothing else, is what the user has to read. */
export class StepError extends Error {}

/**
 * Runs a script's main function; a StepError ends the process with code 1 and one message.
 * @param {() => unknown} main
 */
export async function runMain(main) {
  try {
    if (Number.parseInt(process.versions.node, 10) < oldestNode) {
      throw new StepError(`Tidewire needs Node ${oldestNode} or newer; this is ${process.version}`);
    }
    await main();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/**
 * Runs a command to its end, its output on our stderr: stdout belongs to the program that is
 * started in the end. False when it failed or does not exist.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env] added to the environment
 */
export function succeeds(command, args, env = {}) {
  const child = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 2, 2],
  });
  return child.status === 0;
}

/**
 * Goes on as another program, in this very process: signals and exit codes need no passing on.
 * @param {string} file absolute path of the module
 * @param {readonly string[]} args
 */
export async function become(file, args) {
  process.argv = [process.execPath, file, ...args];
  await import(pathToFileURL(file).href);
}

/** @param {string} text */
export function say(text) {
  process.stderr.write(`${text}\n`);
}
