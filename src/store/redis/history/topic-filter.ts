/** Whether a topic matches one of several filters, remembered by topic. */
import { matches } from '../../../protocol/topic.js';
import { TOPICS_REMEMBERED } from './limits.js';

export class TopicFilter {
  private readonly filters: readonly string[];
  private readonly known = new Map<string, boolean>();

  constructor(filters: readonly string[]) {
    this.filters = filters;
  }

  matches(topic: string): boolean {
    const known = this.known.get(topic);
    if (known !== undefined) return known;
    const isMatch = this.filters.some((filter) => matches(filter, topic));
    if (this.known.size >= TOPICS_REMEMBERED) this.known.clear();
    this.known.set(topic, isMatch);
    return isMatch;
  }
}
