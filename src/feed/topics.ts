/** Which papers from elsewhere belong into the feed, and their topics, from the words in them. */

/** Words that stand for a topic of the catalogue. */
const signs: Readonly<Record<string, RegExp>> = {
  ffn: /\bfeed[- ]?forward (?:\w+[- ]){0,2}(?:net(?:work)?|layer|block|sub-?layer|module)s?\b|\bffns?\b|\bmlp-?mixers?\b/,
  fourier: /\bfourier\b|\bffts?\b|\bspectral (?:convolution|operator|mixing)s?\b|\bwalsh\b|\bhadamard transform\b/,
  operator: /\bneural operators?\b|\bfno\b|\boperator learning\b/,
  moe: /\bmixtures?[- ]of[- ]experts\b|\bmoes?\b|\bsparse experts?\b/,
  surgery: /\bprun(?:e|es|ed|ing)\b|\bupcycl\w+\b|\breparameteri[sz]\w+\b|\bstructured sparsity\b/,
  quantization: /\bquanti[sz]\w+\b/,
  factorization: /\blow[- ]rank\b|\btensor[- ]train\b|\bmonarch matri\w+\b/,
  scaling: /\bscaling laws?\b|\bcritical batch\b|\bhyperparameter transfer\b/,
  probe: /\bprob(?:e|es|ing)\b|\binterpretab\w+\b|\bneurons? (?:in|of) (?:large )?language models?\b/,
  mixer: /\btoken[- ]mix\w+\b|\battention[- ]free\b/,
  vision: /\bvision transformers?\b|\bimage\w*\b|\bvisual\b/,
  sphere: /\bspherical\b|\bon the sphere\b/,
  serving: /\bdecoding\b|\binference (?:engine|serving)\b|\bkv[- ]cache\b/,
  training: /\bpre-?train\w*\b|\boptimi[sz]ers?\b/,
  compression: /\bcompress\w*\b|\bdistill\w*\b/,
  embedding: /\bembeddings?\b/,
};

/** A paper belongs into the feed if it has one of these. */
const core: readonly string[] = ["ffn", "fourier", "operator", "moe"];

/** Topics of the catalogue of which the text has a sign; those that the feed is about come first. */
export function topicsOf(text: string): readonly string[] {
  const words = text.toLowerCase().replaceAll(/\s+/g, " ");
  return Object.keys(signs).filter((topic) => (signs[topic] as RegExp).test(words));
}

/** Whether a paper with these topics is about feed-forward or Fourier networks. */
export const isOfFeed = (topics: readonly string[]): boolean => topics.some((topic) => core.includes(topic));
