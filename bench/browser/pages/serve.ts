/** In a page a peer answers whoever calls `answer`. */
import { answering, type Service } from "../../answer.ts";

export async function serve<J>(service: Service<J>): Promise<void> {
  Object.assign(globalThis, { answer: answering(service) });
}
