// socket.io with its Redis adapter: `node socketio.mjs PORT`, everybody in one room.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const publisher = createClient({ url: process.env.REDIS_URL });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const server = createServer();
const io = new Server(server, {
  adapter: createAdapter(publisher, subscriber, { key: process.env.PREFIX }),
  serveClient: false,
  transports: ["websocket"],
});
io.on("connection", (socket) => socket.join("room"));
server.listen(Number(process.argv[2]), "127.0.0.1");
