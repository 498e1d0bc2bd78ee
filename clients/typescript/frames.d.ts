// Written by `make manage ARGS="document_sockets"` from the registries of frames. Change those instead.

export type FieldError = {
  /** Empty where the body as a whole is wrong. */
  field: string;
  code: string;
  detail: string;
};

export type MemberChangeEnum = "joined" | "left" | "removed" | "banned" | "unbanned" | "role" | "muted" | "unmuted";

export type Message = {
  id: string;
  /** Its place among all that happened in the room. */
  seq: number;
  /** Empty of a deleted one. */
  message: string;
  author: Person | null;
  /** What its author's client calls it. */
  client_id?: string;
  sent_at: string;
  edited_at?: string;
  /** Present and true of a deleted one. */
  deleted?: boolean;
  /** The id of its author, or `system`. */
  from: string;
};

export type Person = {
  id: string;
  /** Empty of an erased account. */
  name: string;
  avatar: string | null;
};

export type RoomRoleEnum = "member" | "moderator" | "owner";

export type SocketLimits = {
  /** Bytes of a frame. */
  frame_bytes: number;
  /** Characters of a message. */
  message_length: number;
  /** Messages that one `history` asks for. */
  history: number;
  /** Seconds after which whoever sends nothing is closed: send `ping`. */
  silence: number;
};

export type SocketRoom = {
  slug: string;
  name: string;
  visibility: VisibilityEnum;
  closed_at: string | null;
  my_role: RoomRoleEnum | null;
  muted_until: string | null;
  last_read_seq: number;
  member_count: number;
};

export type VisibilityEnum = "public" | "private";

/** Sign in; later, stay signed in with a newer token of the same session. */
export interface ChatClientAuth {
  type: "auth";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** An access token. */
  token: string;
}

/** Take away what a message says. */
export interface ChatClientDelete {
  type: "delete";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  id: string;
}

/** Change what a message of yours says, within 15 minutes. */
export interface ChatClientEdit {
  type: "edit";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  id: string;
  /** What it says instead. */
  message: string;
}

/** Ask for older messages, or newer ones. */
export interface ChatClientHistory {
  type: "history";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Those before it, nearest to it. */
  before?: number;
  /** Those after it, nearest to it. */
  after?: number;
  /** How many at most. */
  limit?: number;
}

/** Say something. */
export interface ChatClientMessage {
  type: "message";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  message: string;
  /** A name of the client's own: sent again under it, it is the same message. */
  client_id?: string;
}

/** Tell that somebody is there. */
export interface ChatClientPing {
  type: "ping";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
}

/** Tell how far you have read. */
export interface ChatClientRead {
  type: "read";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** The number of the last message that was read. */
  seq: number;
}

/** Tell whether you are typing. */
export interface ChatClientTyping {
  type: "typing";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Whether you are typing. */
  state: boolean;
}

/** You are in. Nothing is sent before it. */
export interface ChatServerWelcome {
  type: "welcome";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  room: SocketRoom;
  /** Your user id. */
  you: string;
  /** What others see of you. */
  author: Person;
  /** When the socket ends, unless `auth` renews it. */
  expires_at: string;
  /** The number of what happened last in the room. */
  last_seq: number;
  /** Users with a socket in the room. */
  members_online: number;
  limits: SocketLimits;
}

/** The socket goes on until then. */
export interface ChatServerAuthOk {
  type: "auth.ok";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  /** When the socket ends now. */
  expires_at: string;
}

/** It is done. */
export interface ChatServerChangeAck {
  type: "ack";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  id: string;
}

/** Messages in the order of their numbers, 64 KiB at most. */
export interface ChatServerHistory {
  type: "history";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  messages: Array<Message>;
  /** Whether there are no more in this direction. */
  complete: boolean;
  /** Whether another page follows in answer to the same frame. */
  more: boolean;
}

/** Your message is stored, and not lost any more. */
export interface ChatServerMessageAck {
  type: "ack";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  id: string;
  seq: number;
  sent_at: string;
  client_id?: string;
}

/** The answer to a `ping`. */
export interface ChatServerPong {
  type: "pong";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  last_seq: number;
}

/** It is noted. */
export interface ChatServerReadAck {
  type: "ack";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  seq: number;
}

/** It is told. */
export interface ChatServerTypingAck {
  type: "ack";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
}

/** A frame of yours was refused; the socket goes on. */
export interface ChatServerError {
  type: "error";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  /** Stable: decide by this. * `authentication_failed` - authentication_failed * `bad_gateway` - bad_gateway * `bad_request` - bad_request * `conflict` - conflict * `edit_window_over` - edit_window_over * `forbidden` - forbidden * `gateway_timeout` - gateway_timeout * `headers_too_large` - headers_too_large * `internal_error` - internal_error * `method_not_allowed` - method_not_allowed * `muted` - muted * `not_acceptable` - not_acceptable * `not_found` - not_found * `parse_error` - parse_error * `payload_too_large` - payload_too_large * `room_closed` - room_closed * `service_unavailable` - service_unavailable * `session_revoked` - session_revoked * `throttled` - throttled * `token_expired` - token_expired * `token_invalid` - token_invalid * `token_reused` - token_reused * `unsupported_media_type` - unsupported_media_type * `uri_too_long` - uri_too_long * `validation_error` - validation_error */
  code: "authentication_failed" | "bad_gateway" | "bad_request" | "conflict" | "edit_window_over" | "forbidden" | "gateway_timeout" | "headers_too_large" | "internal_error" | "method_not_allowed" | "muted" | "not_acceptable" | "not_found" | "parse_error" | "payload_too_large" | "room_closed" | "service_unavailable" | "session_revoked" | "throttled" | "token_expired" | "token_invalid" | "token_reused" | "unsupported_media_type" | "uri_too_long" | "validation_error";
  /** A sentence for a person. */
  detail: string;
  /** Seconds to wait before the next try. */
  retry_after?: number;
  /** Which fields are wrong; on validation only. */
  errors?: Array<FieldError>;
}

/** Somebody says something. */
export interface ChatServerMessage {
  type: "message";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  id: string;
  /** Its place among all that happened in the room. */
  seq: number;
  /** Empty of a deleted one. */
  message: string;
  author: Person | null;
  /** What its author's client calls it. */
  client_id?: string;
  sent_at: string;
  edited_at?: string;
  /** Present and true of a deleted one. */
  deleted?: boolean;
  /** The id of its author, or `system`. */
  from: string;
}

/** A message says something else. */
export interface ChatServerMessageEdited {
  type: "message.edited";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  id: string;
  /** The number of this change. */
  seq: number;
  /** What it says now; empty if it was deleted since. */
  message: string;
  edited_at: string;
  /** A user id, or `system`. */
  by: string;
}

/** A message says nothing any more. */
export interface ChatServerMessageDeleted {
  type: "message.deleted";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  id: string;
  /** The number of this change. */
  seq: number;
  /** A user id, or `system`. */
  by: string;
}

/** Somebody's place in the room has changed. */
export interface ChatServerMember {
  type: "member";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  seq: number;
  user: Person;
  change: MemberChangeEnum;
  role: RoomRoleEnum;
  muted_until: string | null;
}

/** The room is another. */
export interface ChatServerRoom {
  type: "room";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  seq: number;
  name: string;
  visibility: VisibilityEnum;
  closed_at: string | null;
}

/** How far somebody has read: you elsewhere, or anybody in small rooms. */
export interface ChatServerRead {
  type: "read";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  user: string;
  seq: number;
}

/** Somebody is typing; forget it after some seconds. */
export interface ChatServerTyping {
  type: "typing";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  user: string;
  state: boolean;
}

/** Who is there. */
export interface ChatServerPresence {
  type: "presence";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  /** Left out in large rooms. */
  user?: string;
  /** Left out in large rooms. */
  online?: boolean;
  /** Users with a socket in the room. */
  members_online: number;
}

/** Every 20 seconds: you have missed nothing up to here. */
export interface ChatServerHeartbeat {
  type: "heartbeat";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  last_seq: number;
}

/** More was missed than is sent by itself: forget what you had, and ask for `history`. */
export interface ChatServerResync {
  type: "resync";
  /** What the client calls its frame; the answer carries the same. */
  ref?: string;
  /** Name it when you report a problem. */
  request_id?: string;
  last_seq: number;
}

/** Whatever the client sends over `/ws/chat/{slug}/`. */
export type ChatClient =
  | ChatClientAuth
  | ChatClientDelete
  | ChatClientEdit
  | ChatClientHistory
  | ChatClientMessage
  | ChatClientPing
  | ChatClientRead
  | ChatClientTyping;

/** Whatever the server sends over `/ws/chat/{slug}/`. */
export type ChatServer =
  | ChatServerWelcome
  | ChatServerAuthOk
  | ChatServerChangeAck
  | ChatServerHistory
  | ChatServerMessageAck
  | ChatServerPong
  | ChatServerReadAck
  | ChatServerTypingAck
  | ChatServerError
  | ChatServerMessage
  | ChatServerMessageEdited
  | ChatServerMessageDeleted
  | ChatServerMember
  | ChatServerRoom
  | ChatServerRead
  | ChatServerTyping
  | ChatServerPresence
  | ChatServerHeartbeat
  | ChatServerResync;

/** Why a socket was closed. */
export type CloseCode = 1001 | 1009 | 1011 | 1012 | 1013 | 4400 | 4401 | 4403 | 4404 | 4408 | 4429 | 4430 | 4431;

/** Why a frame or a request was refused. */
export type ErrorCode = "validation_error" | "parse_error" | "bad_request" | "authentication_failed" | "token_expired" | "token_invalid" | "token_reused" | "session_revoked" | "forbidden" | "not_found" | "method_not_allowed" | "not_acceptable" | "conflict" | "muted" | "edit_window_over" | "room_closed" | "payload_too_large" | "uri_too_long" | "unsupported_media_type" | "throttled" | "headers_too_large" | "internal_error" | "bad_gateway" | "service_unavailable" | "gateway_timeout";
