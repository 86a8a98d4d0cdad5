/** Where things are, seen from the built files in build/bench/. */
import { fileURLToPath } from 'node:url';

export const projectRoot = fileURLToPath(new URL('../../', import.meta.url));
/** The broker as users start it is `broker.js` in here. */
export const distFolder = `${projectRoot}dist/`;
/** The same sources, compiled together with the benchmarks. */
export const compiledSources = fileURLToPath(new URL('../src/', import.meta.url));
export const loadScript = fileURLToPath(new URL('./load.js', import.meta.url));
export const aedesScript = fileURLToPath(new URL('./peers/aedes.js', import.meta.url));
export const aedesRedisScript = fileURLToPath(new URL('./peers/aedes-redis.js', import.meta.url));
/** Addresses of modules, as Node's `--import` takes them. */
export const figuresProbe = new URL('./durable/figures-probe.js', import.meta.url).href;
export const memoryProbe = new URL('./cluster/memory-probe.js', import.meta.url).href;
export const resultsFile = `${projectRoot}bench/results/latest.json`;
export const baselineFile = `${projectRoot}bench/baseline.json`;
export const reportFile = `${projectRoot}docs/benchmarks.md`;
export const chartFile = `${projectRoot}docs/benchmarks.svg`;
