/** A real SMTP server on this machine that keeps what it accepts. */
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

export interface Received {
  readonly to: string;
  /** As it came, with CRLF. */
  readonly raw: string;
}

export interface MailServer extends AsyncDisposable {
  readonly url: string;
  readonly received: Received[];
}

/** What the server answers to a recipient or at the end of a letter; nothing: it accepts. */
export interface MailBehaviour {
  readonly recipient?: (address: string) => { code: number; text: string } | null;
  readonly end?: () => { code: number; text: string } | null;
}

const refusal = ({ code, text }: { code: number; text: string }) =>
  Object.assign(new Error(text), { responseCode: code });

export async function mailServer({ recipient, end }: MailBehaviour = {}): Promise<MailServer> {
  const received: Received[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS", "AUTH"],
    disableReverseLookup: true,
    onRcptTo({ address }, _, done) {
      const answer = recipient?.(address);
      done(answer ? refusal(answer) : undefined);
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const answer = end?.();
        if (answer) return done(refusal(answer));
        for (const { address } of session.envelope.rcptTo)
          received.push({ to: address, raw: Buffer.concat(chunks).toString("utf8") });
        done();
      });
    },
  });
  // A client that is killed in the middle of a letter.
  server.on("error", () => {});
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    received,
    [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())),
  };
}

/** A letter's text with quoted-printable undone. */
export const plain = (raw: string): string =>
  raw
    .replaceAll("=\r\n", "")
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
