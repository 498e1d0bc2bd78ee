// ws and one subscription to Redis: `node ws.mjs PORT`, everybody in one room.
import { createClient } from "redis";
import { WebSocketServer } from "ws";

const subscriber = createClient({ url: process.env.REDIS_URL });
await subscriber.connect();

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), clientTracking: true });
await subscriber.subscribe(process.env.PREFIX, (text) => {
  for (const client of server.clients) {
    if (client.readyState === client.OPEN) client.send(text);
  }
});
