#!/usr/bin/env node
/** The executable: flags, signals, exit codes. */
import { readFileSync } from 'node:fs';
import { processPasswdIo, runPasswdCommand } from './access/passwd-command.js';
import { BrokerError, messageOf } from './base/errors.js';
import { parseFlags, type RunOptions, usage } from './config/flags.js';
import { type ParsedConfig, parseConfig } from './config/mosquitto-conf.js';
import { tuneEngine } from './engine.js';
import { Service } from './service.js';

/** Longest time that a shutdown may take, beside a drain; then the process ends anyway. */
const SHUTDOWN_MS = 4_500;

const version = (): string => {
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
};

function read(options: RunOptions): ParsedConfig {
  return parseConfig({
    file: options.configFile,
    ports: options.ports,
    isVerbose: options.isVerbose,
    isQuiet: options.isQuiet,
    environment: process.env,
  });
}

async function run(options: RunOptions): Promise<void> {
  tuneEngine();
  const reread = (): ParsedConfig => read(options);
  const service = await Service.create(reread(), version(), reread);
  let isStopping = false;
  const stop = (): void => {
    // Ctrl-C under npm arrives twice.
    if (isStopping) return;
    isStopping = true;
    setTimeout(() => process.exit(1), SHUTDOWN_MS + service.drainMs).unref();
    void service.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', () => service.reload());
  process.on('SIGUSR1', () => service.dump());
  process.on('uncaughtException', (error) => service.crash(error));
  await service.start();
}

/** What it takes is loaded only for it. */
async function redisCheck(args: readonly string[]): Promise<void> {
  const { processRedisCheckIo, runRedisCheckCommand } = await import('./redis-check-command.js');
  process.exitCode = await runRedisCheckCommand(args, processRedisCheckIo());
}

async function history(args: readonly string[]): Promise<void> {
  const { processHistoryIo, runHistoryCommand } = await import('./history-command.js');
  process.exitCode = await runHistoryCommand(args, processHistoryIo());
}

async function main(args: readonly string[]): Promise<void> {
  const invocation = parseFlags(args);
  switch (invocation.command) {
    case 'help':
      process.stdout.write(`${usage}\n`);
      return;
    case 'version':
      process.stdout.write(`tidewire ${version()}\n`);
      return;
    case 'passwd':
      process.exitCode = await runPasswdCommand(invocation.args, processPasswdIo());
      return;
    case 'redis-check':
      return redisCheck(invocation.args);
    case 'history':
      return history(invocation.args);
    case 'config-test':
      for (const { file, line, message } of read(invocation.options).warnings) {
        process.stderr.write(`${file}:${line}: ${message}\n`);
      }
      return;
    case 'run':
      await run(invocation.options);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const text = error instanceof BrokerError ? error.message : messageOf(error);
  process.stderr.write(`tidewire: ${text}\n`);
  process.exitCode = 1;
}
