/** A server that stands for arXiv and Hugging Face, and answers as it is told. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface SourcesServer extends AsyncDisposable {
  readonly base: string;
  /** Addresses that were asked for, with the validators and when, in milliseconds. */
  readonly asked: { url: string; ifNoneMatch: string | undefined; at: number }[];
}

export async function sourcesServer(
  answer: (request: IncomingMessage, response: ServerResponse, count: number) => void,
): Promise<SourcesServer> {
  const asked: SourcesServer["asked"] = [];
  const server = createServer((request, response) => {
    asked.push({ url: request.url ?? "", ifNoneMatch: request.headers["if-none-match"], at: performance.now() });
    answer(request, response, asked.length);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** An address at which nobody listens any more. */
export async function closedAddress(): Promise<string> {
  await using server = await sourcesServer(() => {});
  return server.base;
}

/** An entry in the form that arXiv gives, with line breaks in texts, namespaces and links. */
export const atomEntry = (id: string, title: string, summary: string, published = "2026-11-23T18:00:01Z"): string => `
  <entry>
    <id>http://arxiv.org/abs/${id}</id>
    <updated>2026-11-24T01:02:03Z</updated>
    <published>${published}</published>
    <title>${title}</title>
    <summary>  ${summary}
</summary>
    <author><name>Ada Example</name><arxiv:affiliation xmlns:arxiv="http://arxiv.org/schemas/atom">Nowhere</arxiv:affiliation></author>
    <author><name>Björn &amp; Söhne</name></author>
    <arxiv:comment xmlns:arxiv="http://arxiv.org/schemas/atom">12 pages</arxiv:comment>
    <link href="http://arxiv.org/abs/${id}" rel="alternate" type="text/html"/>
    <link title="pdf" href="http://arxiv.org/pdf/${id}" rel="related" type="application/pdf"/>
    <arxiv:primary_category xmlns:arxiv="http://arxiv.org/schemas/atom" term="cs.LG" scheme="http://arxiv.org/schemas/atom"/>
    <category term="cs.LG" scheme="http://arxiv.org/schemas/atom"/>
  </entry>`;

export const atomFeed = (entries: readonly string[]): string => `<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <link href="http://arxiv.org/api/query?search_query=x" rel="self" type="application/atom+xml"/>
  <title type="html">ArXiv Query: search_query=x</title>
  <id>http://arxiv.org/api/cHxbiOdZaP56ODnBPIenZhzg5f8</id>
  <updated>2026-11-24T00:00:00-05:00</updated>
  <opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">${entries.length}</opensearch:totalResults>${entries.join("")}
</feed>
`;

/** An item in the form that Hugging Face gives. */
export const dailyPaper = (id: string, title: string, summary: string) => ({
  paper: {
    ...{ id, title, summary, upvotes: 7, publishedAt: "2026-11-23T00:00:00.000Z" },
    authors: [{ _id: "66", name: "Ada Example", hidden: false }],
  },
  ...{ publishedAt: "2026-11-24T01:00:00.000Z", title, numComments: 1, submittedBy: { name: "someone" } },
});
