/**
 * When the messages were due whose PUBACK has not come. PUBACKs come in the order of the PUBLISH
 * packets [MQTT-4.6.0-2], so a ring does. Hot path of the generator.
 */
const ROOM_MIN = 64;

export class AckClock {
  private dueUs = new Float64Array(ROOM_MIN);
  private first = 0;
  private count = 0;

  sent(dueUs: number): void {
    if (this.count === this.dueUs.length) this.grow();
    this.dueUs[(this.first + this.count) % this.dueUs.length] = dueUs;
    this.count++;
  }

  /** The time of the oldest message; NaN when none waits, which is a PUBACK too many. */
  acknowledged(): number {
    if (this.count === 0) return Number.NaN;
    const dueUs = this.dueUs[this.first];
    this.first = (this.first + 1) % this.dueUs.length;
    this.count--;
    return dueUs;
  }

  private grow(): void {
    const { dueUs, first, count } = this;
    const larger = new Float64Array(dueUs.length * 2);
    for (let i = 0; i < count; i++) larger[i] = dueUs[(first + i) % dueUs.length];
    this.dueUs = larger;
    this.first = 0;
  }
}
