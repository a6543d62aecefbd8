"""The tables of a spool's file, and what keeps them in step."""

from __future__ import annotations

APPLICATION_ID = 0x494E544B  # "INTK", where SQLite has a place for whose file it is
VERSION = 1

NEXT_ID = "1 + max(coalesce((SELECT max(id) FROM waiting), 0), (SELECT id FROM floor))"
"""What the next row of `waiting` has as its id; SQLite itself would use that of a deleted newest one again."""

SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS account (number INTEGER PRIMARY KEY, fingerprint TEXT UNIQUE NOT NULL, host TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS waiting (
  id INTEGER PRIMARY KEY,
  origin INTEGER NOT NULL, account INTEGER NOT NULL, kind TEXT NOT NULL, priority INTEGER NOT NULL,
  told_by INTEGER NOT NULL, called_at REAL NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, strikes INTEGER NOT NULL DEFAULT 0, is_started INTEGER NOT NULL DEFAULT 0,
  user_id TEXT, country_code TEXT, phone_number TEXT, event TEXT, traits TEXT NOT NULL, tags TEXT, created_at TEXT,
  add_to_sales_cycle INTEGER
);

CREATE TABLE IF NOT EXISTS failed (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER UNIQUE NOT NULL,
  origin INTEGER NOT NULL, account INTEGER NOT NULL, kind TEXT NOT NULL, priority INTEGER NOT NULL,
  told_by INTEGER NOT NULL, called_at REAL NOT NULL, attempts INTEGER NOT NULL,
  user_id TEXT, country_code TEXT, phone_number TEXT, event TEXT, traits TEXT NOT NULL, tags TEXT, created_at TEXT,
  add_to_sales_cycle INTEGER,
  sender INTEGER NOT NULL, error TEXT NOT NULL, status_code INTEGER, message TEXT NOT NULL, failed_at REAL NOT NULL,
  is_superseded INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS failed_user ON failed (user_id);
CREATE INDEX IF NOT EXISTS failed_phone ON failed (phone_number);

-- No id is ever used twice: the next one is over the newest row's, and over this, which the newest leaves behind.
-- AUTOINCREMENT says the same, and costs each call the writing of one more page.
CREATE TABLE IF NOT EXISTS floor (only INTEGER PRIMARY KEY CHECK (only = 1), id INTEGER NOT NULL);
INSERT OR IGNORE INTO floor VALUES (1, 0);

CREATE TRIGGER IF NOT EXISTS the_newest_leaves_its_id_behind BEFORE DELETE ON waiting
WHEN OLD.id = (SELECT max(id) FROM waiting)
BEGIN UPDATE floor SET id = max(id, OLD.id); END;

CREATE TABLE IF NOT EXISTS removed (id INTEGER PRIMARY KEY, origin INTEGER NOT NULL, removed_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS start (
  id INTEGER PRIMARY KEY AUTOINCREMENT, origin INTEGER NOT NULL, account INTEGER NOT NULL, wall REAL NOT NULL,
  monotonic REAL NOT NULL, message INTEGER NOT NULL
);

CREATE TRIGGER IF NOT EXISTS a_start_marks_its_message AFTER INSERT ON start
BEGIN UPDATE waiting SET is_started = 1 WHERE id = NEW.message; END;

CREATE TRIGGER IF NOT EXISTS a_failed_one_waits_no_more AFTER INSERT ON failed
BEGIN DELETE FROM waiting WHERE id = NEW.id; END;

CREATE TRIGGER IF NOT EXISTS a_removed_one_waits_no_more AFTER INSERT ON removed
BEGIN DELETE FROM waiting WHERE id = NEW.id; END;

CREATE TRIGGER IF NOT EXISTS a_delivered_identify_supersedes_failed_ones AFTER DELETE ON waiting
WHEN OLD.kind = 'user' AND EXISTS (SELECT 1 FROM failed)
  AND NOT EXISTS (SELECT 1 FROM failed WHERE id = OLD.id) AND NOT EXISTS (SELECT 1 FROM removed WHERE id = OLD.id)
BEGIN
  UPDATE failed SET is_superseded = 1
  WHERE (user_id = OLD.user_id OR phone_number = OLD.phone_number AND country_code = OLD.country_code)
    AND account = OLD.account AND kind = 'user' AND called_at <= OLD.called_at;
END;

INSERT OR IGNORE INTO setting VALUES ('salt', lower(hex(randomblob(16))));
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""
