// Emits each line of its input, a JSON object, to the room, from a process that serves nobody.
import { createInterface } from "node:readline";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";

const client = createClient({ url: process.env.REDIS_URL });
await client.connect();
const emitter = new Emitter(client, { key: process.env.PREFIX });
for await (const line of createInterface({ input: process.stdin })) {
  emitter.to("room").emit("message", JSON.parse(line));
}
await client.quit();
