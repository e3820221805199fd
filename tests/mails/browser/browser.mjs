// Starts Debian's Chromium without a network: what a mail needs from outside, it does not get.
import { chromium } from 'playwright-core';

export function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--proxy-server=127.0.0.1:9', '--disable-background-networking'],
  });
}
