// Starts Debian's Chromium without a network: what a mail needs from outside, it does not get.
// It is never given up: whoever started this ends what hangs, and a busy machine is slow.
import { chromium } from 'playwright-core';

export function browser() {
  return chromium.launch({
    timeout: 0,
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--proxy-server=127.0.0.1:9', '--disable-background-networking'],
  });
}
