/**
 * The MC146818's calendar: ten time bytes in the chip's formats (BCD or binary, 12 or 24 hours) to and from seconds, and
 * the daily alarm's pattern. Pure functions.
 */

/** How the chip's time bytes are written (register B's DM and 24/12 bits). */
export interface RtcFormat {
  readonly binary: boolean;
  readonly hours24: boolean;
}

/** The time bytes as the registers hold them. `century` is a byte of the CMOS memory by the PC's convention. */
export interface RtcTime {
  seconds: number;
  minutes: number;
  hours: number;
  /** 1 (Sunday) to 7. */
  weekday: number;
  day: number;
  month: number;
  year: number;
  century: number;
}

export const SECONDS_PER_DAY = 86_400;

/** Bit 7 of the hours in the 12-hour format. */
const PM = 0x80;
/** An alarm byte with both top bits set matches everything. */
const ALARM_ANY = 0xc0;

/** Seconds since 1970 (UTC, no leap seconds) as time bytes; `weekdayShift` days are added to the true weekday. */
export function encodeTime(seconds: number, weekdayShift: number, format: RtcFormat): RtcTime {
  const date = new Date(seconds * 1000);
  const year = date.getUTCFullYear();
  return {
    seconds: encodeByte(date.getUTCSeconds(), format),
    minutes: encodeByte(date.getUTCMinutes(), format),
    hours: encodeHours(date.getUTCHours(), format),
    weekday: ((date.getUTCDay() + weekdayShift) % 7) + 1,
    day: encodeByte(date.getUTCDate(), format),
    month: encodeByte(date.getUTCMonth() + 1, format),
    year: encodeByte(year % 100, format),
    century: encodeByte(Math.floor(year / 100), format),
  };
}

/**
 * Time bytes as seconds since 1970, and the weekday's distance (0 to 6) from the true one. Bytes out of range (a
 * guest may write anything) carry over: the 32nd of January is the 1st of February.
 */
export function decodeTime(time: RtcTime, format: RtcFormat): { seconds: number; weekdayShift: number } {
  const date = new Date(0);
  const year = decodeByte(time.century, format) * 100 + decodeByte(time.year, format);
  date.setUTCFullYear(year, decodeByte(time.month, format) - 1, decodeByte(time.day, format));
  date.setUTCHours(
    decodeHours(time.hours, format),
    decodeByte(time.minutes, format),
    decodeByte(time.seconds, format),
  );
  const weekdayShift = (((time.weekday - 1 - date.getUTCDay()) % 7) + 7) % 7;
  return { seconds: date.getTime() / 1000, weekdayShift };
}

/** The three alarm bytes as the registers hold them. */
export interface RtcAlarm {
  readonly seconds: number;
  readonly minutes: number;
  readonly hours: number;
}

/**
 * Seconds from `secondOfDay` (0 to 86399) to the next second that the alarm matches, 1 to 86400; undefined when it
 * never does (its bytes are no time at all). The chip compares bytes, and so does this.
 */
export function secondsToAlarm(secondOfDay: number, alarm: RtcAlarm, format: RtcFormat): number | undefined {
  const last = secondOfDay + SECONDS_PER_DAY;
  let at = secondOfDay + 1;
  // Skips whole hours, then whole minutes, then seconds that do not match: at most 24 + 60 + 60 steps and a few.
  while (at <= last) {
    const second = at % 60;
    const minute = Math.floor(at / 60) % 60;
    const hour = Math.floor(at / 3600) % 24;
    if (!matches(alarm.hours, encodeHours(hour, format))) at += 3600 - (at % 3600);
    else if (!matches(alarm.minutes, encodeByte(minute, format))) at += 60 - (at % 60);
    else if (!matches(alarm.seconds, encodeByte(second, format))) at++;
    else return at - secondOfDay;
  }
  return undefined;
}

function matches(alarmByte: number, timeByte: number): boolean {
  return alarmByte === timeByte || (alarmByte & ALARM_ANY) === ALARM_ANY;
}

function encodeByte(value: number, format: RtcFormat): number {
  return format.binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

function decodeByte(byte: number, format: RtcFormat): number {
  return format.binary ? byte : (byte >> 4) * 10 + (byte & 15);
}

function encodeHours(hour: number, format: RtcFormat): number {
  if (format.hours24) return encodeByte(hour, format);
  return encodeByte(hour % 12 === 0 ? 12 : hour % 12, format) | (hour >= 12 ? PM : 0);
}

function decodeHours(byte: number, format: RtcFormat): number {
  if (format.hours24) return decodeByte(byte, format);
  return (decodeByte(byte & ~PM, format) % 12) + ((byte & PM) !== 0 ? 12 : 0);
}
