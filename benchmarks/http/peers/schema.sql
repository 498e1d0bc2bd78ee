-- The accounts of all peers: what ours has that they could show or filter by, with the indexes that their lists need.
CREATE TABLE accounts (
  id uuid PRIMARY KEY,
  email varchar(254) NOT NULL UNIQUE,
  name varchar(150) NOT NULL,
  phone varchar(16),
  role varchar(16) NOT NULL,
  is_active boolean NOT NULL,
  email_verified_at timestamptz,
  avatar varchar(255) NOT NULL,
  password varchar(128) NOT NULL,
  last_login timestamptz,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX accounts_created ON accounts (created_at, id);
CREATE INDEX accounts_active_created ON accounts (is_active, created_at, id);
