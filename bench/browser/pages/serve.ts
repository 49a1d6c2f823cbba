/** In a page a peer answers whoever calls `answer`, and says where it is. */
import { answering, type Service } from "../../answer.ts";

export async function serve<J>(service: Service<J>): Promise<void> {
  const describe = async () => {
    const facts = await service.describe();
    return { ...facts, name: `${facts.name} in Chromium` };
  };
  Object.assign(globalThis, { answer: answering({ ...service, describe }) });
}
