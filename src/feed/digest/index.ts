/** The daily digest by mail. */
export { type Daemon, type DaemonOptions, domainOf, type Outcome, startDigests } from "./daemon.ts";
export { isTimeZone, localDate, nextHour } from "./local-time.ts";
export { type ReportOutcome, takeMailReport } from "./reports.ts";
export {
  ASKED,
  NO_TOKEN,
  type RoutesOptions,
  type SubscriptionView,
  subscriptionRoutes,
  tokenActions,
} from "./routes.ts";
export { type DigestContent, type DigestPaper, scheduleDigests } from "./schedule.ts";
export { CLAIM, type MailSettings, type SendOptions, type SendStep, type Sent, sendDue, sendSteps } from "./send.ts";
export { confirm, type Subscription, subscribe, suppress, unsubscribe } from "./subscriptions.ts";
