BEGIN TRANSACTION;
CREATE TABLE app_code (                 -- one-time hand-off from the dashboard to an application's cookie
  digest     BLOB PRIMARY KEY,          -- keyed hash of the code
  host       TEXT NOT NULL,
  user_id    TEXT NOT NULL,
  path       TEXT NOT NULL,             -- where the browser goes afterwards
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (                    -- every change: who, from where, what
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  at         INTEGER NOT NULL,
  user_id    TEXT NOT NULL,             -- '' for a failed sign-in of nobody, or the system itself
  username   TEXT NOT NULL,
  token_id   TEXT NOT NULL,             -- '' when by dashboard session
  address    TEXT NOT NULL,
  action     TEXT NOT NULL,             -- 'instance.create', …: the route's action
  subject    TEXT NOT NULL,             -- id of what was changed
  tenant_id  TEXT NOT NULL,             -- '' for host-wide changes
  result     TEXT NOT NULL,             -- 'ok' or an error code
  details    TEXT NOT NULL              -- one sentence, never a secret
) STRICT;
INSERT INTO "audit" VALUES(1,1795626530905,'','','','local','admin.create','d115da50-89dd-4e68-be5f-9759d2035d24','','ok','first start');
INSERT INTO "audit" VALUES(2,1795626531472,'d115da50-89dd-4e68-be5f-9759d2035d24','admin','b2136159-b4a1-425d-9611-e0bd66503cf8','127.0.0.1','instance.create','a8c5090f-abe9-4fe6-aebc-2d86062a56de','7892a819-e382-4293-b2a4-c84549258e13','ok','web');
INSERT INTO "audit" VALUES(3,1795626531578,'d115da50-89dd-4e68-be5f-9759d2035d24','admin','b2136159-b4a1-425d-9611-e0bd66503cf8','127.0.0.1','ingress.create','a8c5090f-abe9-4fe6-aebc-2d86062a56de','7892a819-e382-4293-b2a4-c84549258e13','ok','web');
INSERT INTO "audit" VALUES(4,1795626531582,'d115da50-89dd-4e68-be5f-9759d2035d24','admin','b2136159-b4a1-425d-9611-e0bd66503cf8','127.0.0.1','tenant.create','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','','ok','acme');
INSERT INTO "audit" VALUES(5,1795626531649,'d115da50-89dd-4e68-be5f-9759d2035d24','admin','b2136159-b4a1-425d-9611-e0bd66503cf8','127.0.0.1','user.create','562d5caf-c135-4273-8776-7197adcf2cc6','','ok','user-acme');
INSERT INTO "audit" VALUES(6,1795626531651,'d115da50-89dd-4e68-be5f-9759d2035d24','admin','b2136159-b4a1-425d-9611-e0bd66503cf8','127.0.0.1','member.put','562d5caf-c135-4273-8776-7197adcf2cc6','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','ok','user-acme is owner of acme');
INSERT INTO "audit" VALUES(7,1795626531773,'562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','','127.0.0.1','session.begin','28d1106f-1822-4b7a-8913-3fbeb92864f3','','ok','');
INSERT INTO "audit" VALUES(8,1795626531775,'562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','','127.0.0.1','token.create','6a6d50f4-e6eb-432c-a338-de1a2e415685','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','ok','lg_1R5Ve… (tests) of user-acme');
INSERT INTO "audit" VALUES(9,1795626531779,'562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','6a6d50f4-e6eb-432c-a338-de1a2e415685','127.0.0.1','instance.create','9ace7eff-d8a7-4082-94b2-fc288e5a9d02','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','ok','db');
INSERT INTO "audit" VALUES(10,1795626531883,'562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','6a6d50f4-e6eb-432c-a338-de1a2e415685','127.0.0.1','instance.stop','9ace7eff-d8a7-4082-94b2-fc288e5a9d02','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','ok','db');
INSERT INTO "audit" VALUES(11,1795626531888,'562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','6a6d50f4-e6eb-432c-a338-de1a2e415685','127.0.0.1','instance.create','2537d15f-0dce-4b37-8ec3-18df7f03955f','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','ok','gone');
INSERT INTO "audit" VALUES(12,1795626531992,'562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','6a6d50f4-e6eb-432c-a338-de1a2e415685','127.0.0.1','instance.delete','2537d15f-0dce-4b37-8ec3-18df7f03955f','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','ok','gone');
INSERT INTO "audit" VALUES(13,1795626531997,'562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','6a6d50f4-e6eb-432c-a338-de1a2e415685','127.0.0.1','token.create','11b38354-2c7d-427e-aa34-55843b2bc4ac','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','ok','lg__bYXm… (ci) of user-acme');
INSERT INTO "audit" VALUES(14,1795626532000,'562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','6a6d50f4-e6eb-432c-a338-de1a2e415685','127.0.0.1','instance.create','413e71e2-45fb-41e5-a661-d363d86c6385','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','ok','flavored');
INSERT INTO "audit" VALUES(15,1795626532010,'562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','6a6d50f4-e6eb-432c-a338-de1a2e415685','127.0.0.1','ssh_key.create','1','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','ok','SHA256:IeSrUOQUiNCHwCVwcNX2XUa5j1onv2ML3NJGt07hDx4');
CREATE TABLE engine_state (             -- last word of each driver, written by lodge-runner
  backend     TEXT PRIMARY KEY,
  healthy     INTEGER NOT NULL,
  type        TEXT NOT NULL,            -- 'podman', 'docker', …
  version     TEXT NOT NULL,
  api_version TEXT NOT NULL,
  reason      TEXT NOT NULL,            -- why not healthy
  checked_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "engine_state" VALUES('docker',1,'fake','1','1','',1795626531362);
CREATE TABLE event (                    -- the outbox: committed with the change it tells of
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  at         INTEGER NOT NULL,
  kind       TEXT NOT NULL,             -- 'instance.state', 'operation.done', …
  tenant_id  TEXT NOT NULL,             -- '' for host-wide ones
  admin      INTEGER NOT NULL,          -- 1: only for admins who watch everything
  subject_type TEXT NOT NULL,           -- 'instance', 'operation', 'image', …
  subject_id TEXT NOT NULL,
  subject_name TEXT NOT NULL,
  operation_id TEXT NOT NULL DEFAULT '',-- operation it belongs to
  op_done    INTEGER NOT NULL DEFAULT 0,-- 1: that operation has ended: waits end
  data       TEXT NOT NULL              -- JSON object
) STRICT;
INSERT INTO "event" VALUES(1,1795626531333,'image.created','',0,'image','62c2d540-91eb-45cd-af27-bc892be5225a','base','',0,'{"image":{"id":"62c2d540-91eb-45cd-af27-bc892be5225a","name":"base","aliases":[],"kind":"container","source":"built","reference":"localhost/lodge-base:1","digest":null,"sizeBytes":0,"default":false,"public":true,"state":"pulling","error":null,"tenant":null,"createdAt":"2026-11-25T17:08:51.333Z"}}');
INSERT INTO "event" VALUES(2,1795626531334,'image.updated','',0,'image','62c2d540-91eb-45cd-af27-bc892be5225a','base','',0,'{"image":{"id":"62c2d540-91eb-45cd-af27-bc892be5225a","name":"base","aliases":[],"kind":"container","source":"built","reference":"localhost/lodge-base:1","digest":null,"sizeBytes":0,"default":true,"public":true,"state":"pulling","error":null,"tenant":null,"createdAt":"2026-11-25T17:08:51.333Z"}}');
INSERT INTO "event" VALUES(3,1795626531334,'operation.created','',0,'operation','48dcc232-30c1-4c3f-ba66-4cadb1ac97ff','base','48dcc232-30c1-4c3f-ba66-4cadb1ac97ff',0,'{"operation":{"id":"48dcc232-30c1-4c3f-ba66-4cadb1ac97ff","kind":"image.import","status":"queued","instance":null,"instanceName":null,"image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":"base","step":"","progress":null,"log":[],"error":null,"requestedBy":"system","cancellable":true,"createdAt":"2026-11-25T17:08:51.334Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(4,1795626531357,'operation.progress','',0,'operation','48dcc232-30c1-4c3f-ba66-4cadb1ac97ff','base','48dcc232-30c1-4c3f-ba66-4cadb1ac97ff',0,'{"operation":{"id":"48dcc232-30c1-4c3f-ba66-4cadb1ac97ff","kind":"image.import","status":"running","instance":null,"instanceName":null,"image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":"base","step":"","progress":null,"log":[],"error":null,"requestedBy":"system","cancellable":true,"createdAt":"2026-11-25T17:08:51.334Z","startedAt":"2026-11-25T17:08:51.357Z","endedAt":null}}');
INSERT INTO "event" VALUES(5,1795626531359,'image.updated','',0,'image','62c2d540-91eb-45cd-af27-bc892be5225a','base','',0,'{"image":{"id":"62c2d540-91eb-45cd-af27-bc892be5225a","name":"base","aliases":[],"kind":"container","source":"built","reference":"localhost/lodge-base:1","digest":"sha256:b245536d-4618-48d0-b746-101adfa8df2c","sizeBytes":2150400,"default":true,"public":true,"state":"ready","error":null,"tenant":null,"createdAt":"2026-11-25T17:08:51.333Z"}}');
INSERT INTO "event" VALUES(6,1795626531359,'operation.progress','',0,'operation','48dcc232-30c1-4c3f-ba66-4cadb1ac97ff','base','48dcc232-30c1-4c3f-ba66-4cadb1ac97ff',0,'{"operation":{"id":"48dcc232-30c1-4c3f-ba66-4cadb1ac97ff","kind":"image.import","status":"running","instance":null,"instanceName":null,"image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":"base","step":"","progress":null,"log":["importing the uploaded file as localhost/lodge-base:1"],"error":null,"requestedBy":"system","cancellable":true,"createdAt":"2026-11-25T17:08:51.334Z","startedAt":"2026-11-25T17:08:51.357Z","endedAt":null}}');
INSERT INTO "event" VALUES(7,1795626531359,'operation.done','',0,'operation','48dcc232-30c1-4c3f-ba66-4cadb1ac97ff','base','48dcc232-30c1-4c3f-ba66-4cadb1ac97ff',1,'{"operation":{"id":"48dcc232-30c1-4c3f-ba66-4cadb1ac97ff","kind":"image.import","status":"done","instance":null,"instanceName":null,"image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":"base","step":"","progress":1,"log":["importing the uploaded file as localhost/lodge-base:1"],"error":null,"requestedBy":"system","cancellable":false,"createdAt":"2026-11-25T17:08:51.334Z","startedAt":"2026-11-25T17:08:51.357Z","endedAt":"2026-11-25T17:08:51.359Z"}}');
INSERT INTO "event" VALUES(8,1795626531472,'instance.created','7892a819-e382-4293-b2a4-c84549258e13',0,'instance','a8c5090f-abe9-4fe6-aebc-2d86062a56de','web','',0,'{"state":"creating","previous":"creating","reason":null,"address":"10.96.16.2","desired":"running","health":"unknown","version":1,"startedAt":null}');
INSERT INTO "event" VALUES(9,1795626531472,'operation.created','7892a819-e382-4293-b2a4-c84549258e13',0,'operation','566711f2-54dd-40c0-8258-bd0b8fcd3adf','web','566711f2-54dd-40c0-8258-bd0b8fcd3adf',0,'{"operation":{"id":"566711f2-54dd-40c0-8258-bd0b8fcd3adf","kind":"instance.create","status":"queued","instance":"a8c5090f-abe9-4fe6-aebc-2d86062a56de","instanceName":"web","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-25T17:08:51.472Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(10,1795626531473,'operation.progress','7892a819-e382-4293-b2a4-c84549258e13',0,'operation','566711f2-54dd-40c0-8258-bd0b8fcd3adf','web','566711f2-54dd-40c0-8258-bd0b8fcd3adf',0,'{"operation":{"id":"566711f2-54dd-40c0-8258-bd0b8fcd3adf","kind":"instance.create","status":"running","instance":"a8c5090f-abe9-4fe6-aebc-2d86062a56de","instanceName":"web","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-25T17:08:51.472Z","startedAt":"2026-11-25T17:08:51.473Z","endedAt":null}}');
INSERT INTO "event" VALUES(11,1795626531476,'instance.state','7892a819-e382-4293-b2a4-c84549258e13',0,'instance','a8c5090f-abe9-4fe6-aebc-2d86062a56de','web','566711f2-54dd-40c0-8258-bd0b8fcd3adf',0,'{"state":"running","previous":"creating","reason":null,"address":"10.96.16.2","desired":"running","health":"unknown","version":2,"startedAt":"2026-11-25T17:08:51.476Z"}');
INSERT INTO "event" VALUES(12,1795626531476,'operation.progress','7892a819-e382-4293-b2a4-c84549258e13',0,'operation','566711f2-54dd-40c0-8258-bd0b8fcd3adf','web','566711f2-54dd-40c0-8258-bd0b8fcd3adf',0,'{"operation":{"id":"566711f2-54dd-40c0-8258-bd0b8fcd3adf","kind":"instance.create","status":"running","instance":"a8c5090f-abe9-4fe6-aebc-2d86062a56de","instanceName":"web","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":["made from localhost/lodge-base:1 in 0 ms","started at 10.96.16.2 in 0 ms"],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-25T17:08:51.472Z","startedAt":"2026-11-25T17:08:51.473Z","endedAt":null}}');
INSERT INTO "event" VALUES(13,1795626531476,'operation.done','7892a819-e382-4293-b2a4-c84549258e13',0,'operation','566711f2-54dd-40c0-8258-bd0b8fcd3adf','web','566711f2-54dd-40c0-8258-bd0b8fcd3adf',1,'{"operation":{"id":"566711f2-54dd-40c0-8258-bd0b8fcd3adf","kind":"instance.create","status":"done","instance":"a8c5090f-abe9-4fe6-aebc-2d86062a56de","instanceName":"web","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":1,"log":["made from localhost/lodge-base:1 in 0 ms","started at 10.96.16.2 in 0 ms"],"error":null,"requestedBy":"admin","cancellable":false,"createdAt":"2026-11-25T17:08:51.472Z","startedAt":"2026-11-25T17:08:51.473Z","endedAt":"2026-11-25T17:08:51.476Z"}}');
INSERT INTO "event" VALUES(14,1795626531578,'ingress.created','7892a819-e382-4293-b2a4-c84549258e13',0,'ingress','a8c5090f-abe9-4fe6-aebc-2d86062a56de','web','',0,'{"instance":"a8c5090f-abe9-4fe6-aebc-2d86062a56de","rule":{"instance":"a8c5090f-abe9-4fe6-aebc-2d86062a56de","port":443,"targetPort":80,"host":"web","url":"https://web.apps.localhost:46811/","access":"public","createdAt":"2026-11-25T17:08:51.578Z"}}');
INSERT INTO "event" VALUES(15,1795626531779,'instance.created','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','9ace7eff-d8a7-4082-94b2-fc288e5a9d02','db','',0,'{"state":"creating","previous":"creating","reason":null,"address":"10.96.17.2","desired":"running","health":"unknown","version":1,"startedAt":null}');
INSERT INTO "event" VALUES(16,1795626531779,'operation.created','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','09563316-0b5c-49c9-9c84-865c6da5c97c','db','09563316-0b5c-49c9-9c84-865c6da5c97c',0,'{"operation":{"id":"09563316-0b5c-49c9-9c84-865c6da5c97c","kind":"instance.create","status":"queued","instance":"9ace7eff-d8a7-4082-94b2-fc288e5a9d02","instanceName":"db","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.779Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(17,1795626531780,'operation.progress','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','09563316-0b5c-49c9-9c84-865c6da5c97c','db','09563316-0b5c-49c9-9c84-865c6da5c97c',0,'{"operation":{"id":"09563316-0b5c-49c9-9c84-865c6da5c97c","kind":"instance.create","status":"running","instance":"9ace7eff-d8a7-4082-94b2-fc288e5a9d02","instanceName":"db","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.779Z","startedAt":"2026-11-25T17:08:51.780Z","endedAt":null}}');
INSERT INTO "event" VALUES(18,1795626531781,'instance.state','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','9ace7eff-d8a7-4082-94b2-fc288e5a9d02','db','09563316-0b5c-49c9-9c84-865c6da5c97c',0,'{"state":"running","previous":"creating","reason":null,"address":"10.96.17.2","desired":"running","health":"unknown","version":2,"startedAt":"2026-11-25T17:08:51.781Z"}');
INSERT INTO "event" VALUES(19,1795626531781,'operation.progress','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','09563316-0b5c-49c9-9c84-865c6da5c97c','db','09563316-0b5c-49c9-9c84-865c6da5c97c',0,'{"operation":{"id":"09563316-0b5c-49c9-9c84-865c6da5c97c","kind":"instance.create","status":"running","instance":"9ace7eff-d8a7-4082-94b2-fc288e5a9d02","instanceName":"db","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":["made from localhost/lodge-base:1 in 0 ms","started at 10.96.17.2 in 0 ms"],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.779Z","startedAt":"2026-11-25T17:08:51.780Z","endedAt":null}}');
INSERT INTO "event" VALUES(20,1795626531781,'operation.done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','09563316-0b5c-49c9-9c84-865c6da5c97c','db','09563316-0b5c-49c9-9c84-865c6da5c97c',1,'{"operation":{"id":"09563316-0b5c-49c9-9c84-865c6da5c97c","kind":"instance.create","status":"done","instance":"9ace7eff-d8a7-4082-94b2-fc288e5a9d02","instanceName":"db","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":1,"log":["made from localhost/lodge-base:1 in 0 ms","started at 10.96.17.2 in 0 ms"],"error":null,"requestedBy":"user-acme","cancellable":false,"createdAt":"2026-11-25T17:08:51.779Z","startedAt":"2026-11-25T17:08:51.780Z","endedAt":"2026-11-25T17:08:51.781Z"}}');
INSERT INTO "event" VALUES(21,1795626531883,'operation.created','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','6c340479-4445-47cb-8eb5-1c5d88ca721b','db','6c340479-4445-47cb-8eb5-1c5d88ca721b',0,'{"operation":{"id":"6c340479-4445-47cb-8eb5-1c5d88ca721b","kind":"instance.stop","status":"queued","instance":"9ace7eff-d8a7-4082-94b2-fc288e5a9d02","instanceName":"db","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.883Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(22,1795626531883,'instance.state','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','9ace7eff-d8a7-4082-94b2-fc288e5a9d02','db','6c340479-4445-47cb-8eb5-1c5d88ca721b',0,'{"state":"stopping","previous":"running","reason":null,"address":"10.96.17.2","desired":"stopped","health":"unknown","version":3,"startedAt":"2026-11-25T17:08:51.781Z"}');
INSERT INTO "event" VALUES(23,1795626531885,'operation.progress','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','6c340479-4445-47cb-8eb5-1c5d88ca721b','db','6c340479-4445-47cb-8eb5-1c5d88ca721b',0,'{"operation":{"id":"6c340479-4445-47cb-8eb5-1c5d88ca721b","kind":"instance.stop","status":"running","instance":"9ace7eff-d8a7-4082-94b2-fc288e5a9d02","instanceName":"db","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.883Z","startedAt":"2026-11-25T17:08:51.884Z","endedAt":null}}');
INSERT INTO "event" VALUES(24,1795626531885,'instance.state','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','9ace7eff-d8a7-4082-94b2-fc288e5a9d02','db','6c340479-4445-47cb-8eb5-1c5d88ca721b',0,'{"state":"stopped","previous":"stopping","reason":{"text":"stopped by user-acme","code":"stopped_by_user","exitCode":null,"oomKilled":false,"at":"2026-11-25T17:08:51.885Z","log":null},"address":"10.96.17.2","desired":"stopped","health":"unknown","version":4,"startedAt":null}');
INSERT INTO "event" VALUES(25,1795626531885,'operation.done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','6c340479-4445-47cb-8eb5-1c5d88ca721b','db','6c340479-4445-47cb-8eb5-1c5d88ca721b',1,'{"operation":{"id":"6c340479-4445-47cb-8eb5-1c5d88ca721b","kind":"instance.stop","status":"done","instance":"9ace7eff-d8a7-4082-94b2-fc288e5a9d02","instanceName":"db","image":null,"imageName":null,"step":"","progress":1,"log":[],"error":null,"requestedBy":"user-acme","cancellable":false,"createdAt":"2026-11-25T17:08:51.883Z","startedAt":"2026-11-25T17:08:51.884Z","endedAt":"2026-11-25T17:08:51.885Z"}}');
INSERT INTO "event" VALUES(26,1795626531888,'instance.created','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','2537d15f-0dce-4b37-8ec3-18df7f03955f','gone','',0,'{"state":"creating","previous":"creating","reason":null,"address":"10.96.17.3","desired":"running","health":"unknown","version":1,"startedAt":null}');
INSERT INTO "event" VALUES(27,1795626531888,'operation.created','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','387324d0-bb0d-4b7e-99de-d6199917d3a3','gone','387324d0-bb0d-4b7e-99de-d6199917d3a3',0,'{"operation":{"id":"387324d0-bb0d-4b7e-99de-d6199917d3a3","kind":"instance.create","status":"queued","instance":"2537d15f-0dce-4b37-8ec3-18df7f03955f","instanceName":"gone","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.888Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(28,1795626531889,'operation.progress','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','387324d0-bb0d-4b7e-99de-d6199917d3a3','gone','387324d0-bb0d-4b7e-99de-d6199917d3a3',0,'{"operation":{"id":"387324d0-bb0d-4b7e-99de-d6199917d3a3","kind":"instance.create","status":"running","instance":"2537d15f-0dce-4b37-8ec3-18df7f03955f","instanceName":"gone","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.888Z","startedAt":"2026-11-25T17:08:51.889Z","endedAt":null}}');
INSERT INTO "event" VALUES(29,1795626531890,'instance.state','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','2537d15f-0dce-4b37-8ec3-18df7f03955f','gone','387324d0-bb0d-4b7e-99de-d6199917d3a3',0,'{"state":"running","previous":"creating","reason":null,"address":"10.96.17.3","desired":"running","health":"unknown","version":2,"startedAt":"2026-11-25T17:08:51.889Z"}');
INSERT INTO "event" VALUES(30,1795626531890,'operation.progress','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','387324d0-bb0d-4b7e-99de-d6199917d3a3','gone','387324d0-bb0d-4b7e-99de-d6199917d3a3',0,'{"operation":{"id":"387324d0-bb0d-4b7e-99de-d6199917d3a3","kind":"instance.create","status":"running","instance":"2537d15f-0dce-4b37-8ec3-18df7f03955f","instanceName":"gone","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":["made from localhost/lodge-base:1 in 0 ms","started at 10.96.17.3 in 0 ms"],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.888Z","startedAt":"2026-11-25T17:08:51.889Z","endedAt":null}}');
INSERT INTO "event" VALUES(31,1795626531890,'operation.done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','387324d0-bb0d-4b7e-99de-d6199917d3a3','gone','387324d0-bb0d-4b7e-99de-d6199917d3a3',1,'{"operation":{"id":"387324d0-bb0d-4b7e-99de-d6199917d3a3","kind":"instance.create","status":"done","instance":"2537d15f-0dce-4b37-8ec3-18df7f03955f","instanceName":"gone","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":1,"log":["made from localhost/lodge-base:1 in 0 ms","started at 10.96.17.3 in 0 ms"],"error":null,"requestedBy":"user-acme","cancellable":false,"createdAt":"2026-11-25T17:08:51.888Z","startedAt":"2026-11-25T17:08:51.889Z","endedAt":"2026-11-25T17:08:51.890Z"}}');
INSERT INTO "event" VALUES(32,1795626531992,'operation.created','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0','gone','5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0',0,'{"operation":{"id":"5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0","kind":"instance.delete","status":"queued","instance":"2537d15f-0dce-4b37-8ec3-18df7f03955f","instanceName":"gone","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.992Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(33,1795626531992,'instance.state','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','2537d15f-0dce-4b37-8ec3-18df7f03955f','gone','5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0',0,'{"state":"deleting","previous":"running","reason":null,"address":"10.96.17.3","desired":"absent","health":"unknown","version":3,"startedAt":"2026-11-25T17:08:51.889Z"}');
INSERT INTO "event" VALUES(34,1795626531993,'operation.progress','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0','gone','5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0',0,'{"operation":{"id":"5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0","kind":"instance.delete","status":"running","instance":"2537d15f-0dce-4b37-8ec3-18df7f03955f","instanceName":"gone","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:51.992Z","startedAt":"2026-11-25T17:08:51.993Z","endedAt":null}}');
INSERT INTO "event" VALUES(35,1795626531994,'instance.deleted','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','2537d15f-0dce-4b37-8ec3-18df7f03955f','gone','5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0',0,'{"state":"deleting","previous":"deleting","reason":null,"address":"10.96.17.3","desired":"absent","health":"unknown","version":3,"startedAt":"2026-11-25T17:08:51.889Z"}');
INSERT INTO "event" VALUES(36,1795626531994,'operation.done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0','gone','5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0',1,'{"operation":{"id":"5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0","kind":"instance.delete","status":"done","instance":"2537d15f-0dce-4b37-8ec3-18df7f03955f","instanceName":"gone","image":null,"imageName":null,"step":"","progress":1,"log":[],"error":null,"requestedBy":"user-acme","cancellable":false,"createdAt":"2026-11-25T17:08:51.992Z","startedAt":"2026-11-25T17:08:51.993Z","endedAt":"2026-11-25T17:08:51.994Z"}}');
INSERT INTO "event" VALUES(37,1795626532000,'instance.created','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','413e71e2-45fb-41e5-a661-d363d86c6385','flavored','',0,'{"state":"creating","previous":"creating","reason":null,"address":"10.96.17.4","desired":"running","health":"unknown","version":1,"startedAt":null}');
INSERT INTO "event" VALUES(38,1795626532000,'operation.created','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','46b76348-fec7-45e5-a0ae-2c3aa5aa5f01','flavored','46b76348-fec7-45e5-a0ae-2c3aa5aa5f01',0,'{"operation":{"id":"46b76348-fec7-45e5-a0ae-2c3aa5aa5f01","kind":"instance.create","status":"queued","instance":"413e71e2-45fb-41e5-a661-d363d86c6385","instanceName":"flavored","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:52.000Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(39,1795626532001,'operation.progress','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','46b76348-fec7-45e5-a0ae-2c3aa5aa5f01','flavored','46b76348-fec7-45e5-a0ae-2c3aa5aa5f01',0,'{"operation":{"id":"46b76348-fec7-45e5-a0ae-2c3aa5aa5f01","kind":"instance.create","status":"running","instance":"413e71e2-45fb-41e5-a661-d363d86c6385","instanceName":"flavored","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:52.000Z","startedAt":"2026-11-25T17:08:52.001Z","endedAt":null}}');
INSERT INTO "event" VALUES(40,1795626532002,'instance.state','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'instance','413e71e2-45fb-41e5-a661-d363d86c6385','flavored','46b76348-fec7-45e5-a0ae-2c3aa5aa5f01',0,'{"state":"running","previous":"creating","reason":null,"address":"10.96.17.4","desired":"running","health":"unknown","version":2,"startedAt":"2026-11-25T17:08:52.002Z"}');
INSERT INTO "event" VALUES(41,1795626532002,'operation.progress','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','46b76348-fec7-45e5-a0ae-2c3aa5aa5f01','flavored','46b76348-fec7-45e5-a0ae-2c3aa5aa5f01',0,'{"operation":{"id":"46b76348-fec7-45e5-a0ae-2c3aa5aa5f01","kind":"instance.create","status":"running","instance":"413e71e2-45fb-41e5-a661-d363d86c6385","instanceName":"flavored","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":null,"log":["made from localhost/lodge-base:1 in 0 ms","started at 10.96.17.4 in 1 ms"],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-25T17:08:52.000Z","startedAt":"2026-11-25T17:08:52.001Z","endedAt":null}}');
INSERT INTO "event" VALUES(42,1795626532002,'operation.done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',0,'operation','46b76348-fec7-45e5-a0ae-2c3aa5aa5f01','flavored','46b76348-fec7-45e5-a0ae-2c3aa5aa5f01',1,'{"operation":{"id":"46b76348-fec7-45e5-a0ae-2c3aa5aa5f01","kind":"instance.create","status":"done","instance":"413e71e2-45fb-41e5-a661-d363d86c6385","instanceName":"flavored","image":"62c2d540-91eb-45cd-af27-bc892be5225a","imageName":null,"step":"","progress":1,"log":["made from localhost/lodge-base:1 in 0 ms","started at 10.96.17.4 in 1 ms"],"error":null,"requestedBy":"user-acme","cancellable":false,"createdAt":"2026-11-25T17:08:52.000Z","startedAt":"2026-11-25T17:08:52.001Z","endedAt":"2026-11-25T17:08:52.002Z"}}');
CREATE TABLE flavor (                   -- named sizes; public
  name         TEXT PRIMARY KEY,        -- 'small'
  position     INTEGER NOT NULL UNIQUE, -- order in lists
  vcpus        INTEGER NOT NULL CHECK (vcpus > 0),
  memory_bytes INTEGER NOT NULL CHECK (memory_bytes > 0),
  disk_bytes   INTEGER NOT NULL CHECK (disk_bytes > 0),
  description  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "flavor" VALUES('large',3,4,8589934592,85899345920,'Suitable for databases');
INSERT INTO "flavor" VALUES('medium',2,2,4294967296,42949672960,'Suitable for web applications');
INSERT INTO "flavor" VALUES('small',1,1,1073741824,10737418240,'Suitable for development and testing');
INSERT INTO "flavor" VALUES('xlarge',4,8,17179869184,171798691840,'Suitable for big data and analytics');
CREATE TABLE host_number_quarantine (   -- freed addresses rest longer than any cached route lives
  tenant_id   TEXT NOT NULL,
  host_number INTEGER NOT NULL,
  until       INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, host_number)
) STRICT, WITHOUT ROWID;
INSERT INTO "host_number_quarantine" VALUES('a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',3,1795626546994);
CREATE TABLE image (                    -- the catalogue
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT REFERENCES tenant(id) ON DELETE CASCADE, -- NULL: the host's own
  name        TEXT NOT NULL,            -- as asked for: 'nginx:alpine'
  kind        TEXT NOT NULL CHECK (kind IN ('container', 'vm')),
  source      TEXT NOT NULL CHECK (source IN ('built', 'pull', 'upload')),
  reference   TEXT NOT NULL,            -- what the engine resolves
  digest      TEXT NOT NULL DEFAULT '', -- engine's content id once ready
  size_bytes  INTEGER NOT NULL DEFAULT 0,
  is_default  INTEGER NOT NULL DEFAULT 0, -- 1: taken when a create names none (one per kind)
  public      INTEGER NOT NULL DEFAULT 0, -- 1: every tenant may use it
  state       TEXT NOT NULL CHECK (state IN ('pulling', 'ready', 'error', 'deleting')),
  error       TEXT NOT NULL DEFAULT '', -- sentence, with state error
  file        TEXT NOT NULL DEFAULT '', -- uploaded tar in $LODGE_STATE/uploads until it is adopted
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "image" VALUES('62c2d540-91eb-45cd-af27-bc892be5225a',NULL,'base','container','built','localhost/lodge-base:1','sha256:b245536d-4618-48d0-b746-101adfa8df2c',2150400,1,1,'ready','','',1795626531333,1795626531359);
CREATE TABLE image_alias (              -- every name an image is found by, its own name included
  scope    TEXT NOT NULL,               -- tenant id, or '' for the host's public ones
  alias    TEXT NOT NULL,
  image_id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
  PRIMARY KEY (scope, alias)
) STRICT, WITHOUT ROWID;
INSERT INTO "image_alias" VALUES('','base','62c2d540-91eb-45cd-af27-bc892be5225a');
CREATE TABLE ingress (                  -- https://<host>.<apps_domain> → the instance's target_port
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  port        INTEGER NOT NULL,         -- 443
  target_port INTEGER NOT NULL,
  host        TEXT NOT NULL UNIQUE,     -- DNS label
  access      TEXT NOT NULL CHECK (access IN ('public', 'members')),
  created_at  INTEGER NOT NULL,
  PRIMARY KEY (instance_id, port)
) STRICT, WITHOUT ROWID;
INSERT INTO "ingress" VALUES('a8c5090f-abe9-4fe6-aebc-2d86062a56de',443,80,'web','public',1795626531578);
CREATE TABLE instance (                 -- the heart; written by lodge-api (wishes) and lodge-runner (facts)
  seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- order of birth; the cursor of lists
  id           TEXT NOT NULL UNIQUE,
  tenant_id    TEXT NOT NULL REFERENCES tenant(id),
  name         TEXT NOT NULL,           -- DNS label
  type         TEXT NOT NULL CHECK (type IN ('container', 'vm')),
  backend      TEXT NOT NULL,           -- 'docker', 'kvm': which driver
  state        TEXT NOT NULL,           -- model/state.h
  desired      TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'paused', 'absent')), -- what the reconciler keeps
  health       TEXT NOT NULL DEFAULT 'unknown', -- healthy unhealthy unknown
  reason       TEXT,                    -- JSON {text, code, exitCode, oomKilled, at, log}: why it is in this state; NULL nothing to say
  image_id     TEXT REFERENCES image(id) ON DELETE SET NULL,
  image        TEXT NOT NULL,           -- the name it was created with
  image_ref    TEXT NOT NULL,           -- engine reference or content id
  config       TEXT NOT NULL,           -- JSON {command, ports, networkMode, restartPolicy, volumes} as validated
  cpu_millis   INTEGER NOT NULL,        -- 1000 is one core; 0 unlimited
  memory_bytes INTEGER NOT NULL,        -- hard limit; 0 unlimited
  storage_bytes INTEGER NOT NULL DEFAULT 0, -- asked for; 0 unlimited
  host_number  INTEGER NOT NULL,        -- 2…254 in the tenant's network: gives address and MAC
  engine_ref   TEXT NOT NULL DEFAULT '',-- the engine's own id once made
  owner_id     TEXT NOT NULL,           -- user who created it
  version      INTEGER NOT NULL DEFAULT 1, -- grows with each change of the row: the ETag
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL,
  started_at   INTEGER, flavor TEXT NOT NULL DEFAULT '', ssh_enabled INTEGER NOT NULL DEFAULT 0,                 -- NULL: not running
  UNIQUE (tenant_id, name),
  UNIQUE (tenant_id, host_number)
) STRICT;
INSERT INTO "instance" VALUES(1,'a8c5090f-abe9-4fe6-aebc-2d86062a56de','7892a819-e382-4293-b2a4-c84549258e13','web','container','docker','running','running','unknown',NULL,'62c2d540-91eb-45cd-af27-bc892be5225a','base','localhost/lodge-base:1','{"command":[],"ports":["18080:80"],"networkMode":"bridge","restartPolicy":"no","volumes":[]}',500,268435456,0,2,'fake-a8c5090f-abe9-4fe6-aebc-2d86062a56de','d115da50-89dd-4e68-be5f-9759d2035d24',2,1795626531472,1795626531476,1795626531476,'',0);
INSERT INTO "instance" VALUES(2,'9ace7eff-d8a7-4082-94b2-fc288e5a9d02','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','db','container','docker','stopped','stopped','unknown','{"text":"stopped by user-acme","code":"stopped_by_user","exitCode":null,"oomKilled":false,"at":"2026-11-25T17:08:51.885Z","log":null}','62c2d540-91eb-45cd-af27-bc892be5225a','base','localhost/lodge-base:1','{"command":[],"ports":[],"networkMode":"bridge","restartPolicy":"no","volumes":[]}',500,268435456,0,2,'fake-9ace7eff-d8a7-4082-94b2-fc288e5a9d02','562d5caf-c135-4273-8776-7197adcf2cc6',4,1795626531779,1795626531885,NULL,'',0);
INSERT INTO "instance" VALUES(4,'413e71e2-45fb-41e5-a661-d363d86c6385','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','flavored','container','docker','running','running','unknown',NULL,'62c2d540-91eb-45cd-af27-bc892be5225a','base','localhost/lodge-base:1','{"command":[],"ports":[],"networkMode":"bridge","restartPolicy":"no","volumes":[]}',1000,1073741824,10737418240,4,'fake-413e71e2-45fb-41e5-a661-d363d86c6385','562d5caf-c135-4273-8776-7197adcf2cc6',2,1795626531999,1795626532002,1795626532002,'small',0);
CREATE TABLE instance_count (           -- kept by the triggers below, so that a list's total costs nothing
  tenant_id TEXT NOT NULL,
  state     TEXT NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, state)
) STRICT, WITHOUT ROWID;
INSERT INTO "instance_count" VALUES('7892a819-e382-4293-b2a4-c84549258e13','creating',0);
INSERT INTO "instance_count" VALUES('7892a819-e382-4293-b2a4-c84549258e13','running',1);
INSERT INTO "instance_count" VALUES('a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','creating',0);
INSERT INTO "instance_count" VALUES('a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','deleting',0);
INSERT INTO "instance_count" VALUES('a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','running',1);
INSERT INTO "instance_count" VALUES('a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','stopped',1);
INSERT INTO "instance_count" VALUES('a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','stopping',0);
CREATE TABLE instance_env (             -- environment; secret values are sealed with keys/env.key
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  position    INTEGER NOT NULL,
  name        TEXT NOT NULL,
  value       BLOB NOT NULL,            -- text, or the sealed bytes
  secret      INTEGER NOT NULL,
  PRIMARY KEY (instance_id, position)
) STRICT, WITHOUT ROWID;
INSERT INTO "instance_env" VALUES('a8c5090f-abe9-4fe6-aebc-2d86062a56de',0,'A',X'62',0);
INSERT INTO "instance_env" VALUES('a8c5090f-abe9-4fe6-aebc-2d86062a56de',1,'PASSWORD',X'90FE9F6817E5AB266441DE8BD4BF2665F2713AD41D806B35413D4FF0D87BD2D50D72C2D7807171CE2A',1);
CREATE TABLE instance_label (
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  key         TEXT NOT NULL,
  value       TEXT NOT NULL,
  PRIMARY KEY (instance_id, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "instance_label" VALUES('a8c5090f-abe9-4fe6-aebc-2d86062a56de','app','web');
INSERT INTO "instance_label" VALUES('413e71e2-45fb-41e5-a661-d363d86c6385','role','web');
CREATE TABLE instance_port (            -- ports published on the host: unique over all tenants
  host_port     INTEGER NOT NULL,
  protocol      TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
  instance_id   TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  instance_port INTEGER NOT NULL,
  PRIMARY KEY (host_port, protocol)
) STRICT, WITHOUT ROWID;
INSERT INTO "instance_port" VALUES(18080,'tcp','a8c5090f-abe9-4fe6-aebc-2d86062a56de',80);
CREATE TABLE member (                   -- which user may act in which tenant
  tenant_id TEXT NOT NULL REFERENCES tenant(id) ON DELETE CASCADE,
  user_id   TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  role      TEXT NOT NULL CHECK (role IN ('member', 'owner')),
  since     INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, user_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "member" VALUES('7892a819-e382-4293-b2a4-c84549258e13','d115da50-89dd-4e68-be5f-9759d2035d24','owner',1795626530905);
INSERT INTO "member" VALUES('a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','562d5caf-c135-4273-8776-7197adcf2cc6','owner',1795626531651);
INSERT INTO "member" VALUES('a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','d115da50-89dd-4e68-be5f-9759d2035d24','owner',1795626531582);
CREATE TABLE meta (                     -- facts about this installation
  key   TEXT PRIMARY KEY,               -- 'site'
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('site','2f259a59-cb46-4491-bb93-7e817da9e8c0');
CREATE TABLE metric (                   -- what tenants report about themselves; the newest 1000 of each are kept
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL REFERENCES tenant(id) ON DELETE CASCADE,
  at        INTEGER NOT NULL,           -- when it came
  name      TEXT NOT NULL,              -- 'instance_created'
  type      TEXT NOT NULL,              -- counter gauge histogram summary
  value     REAL NOT NULL,
  labels    TEXT NOT NULL               -- JSON object of strings
) STRICT;
INSERT INTO "metric" VALUES(1,'a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',1795626532001,'instance_created','counter',1.0,'{"service":"compute"}');
CREATE TABLE network_release (          -- networks of deleted tenants that engines may still hold; their numbers rest until
                                        -- lodge-runner has removed them
  net_index   INTEGER PRIMARY KEY,      -- number of the /24 in subnet_pool
  released_at INTEGER NOT NULL          -- ms since the epoch; written by lodge-api with the tenant's deletion
) STRICT;
CREATE TABLE operation (                -- every change that takes time; queue and history
  seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- order of the queue
  id           TEXT NOT NULL UNIQUE,
  kind         TEXT NOT NULL,           -- 'instance.create', 'image.pull', …
  status       TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  tenant_id    TEXT NOT NULL,
  instance_id  TEXT NOT NULL DEFAULT '',-- '' when not about one; kept after its deletion
  subject_name TEXT NOT NULL DEFAULT '',-- the instance's or image's name, kept too
  image_id     TEXT NOT NULL DEFAULT '',
  user_id      TEXT NOT NULL,           -- requester; '' the system
  username     TEXT NOT NULL,
  request_id   TEXT NOT NULL DEFAULT '',-- of the HTTP request
  params       TEXT NOT NULL DEFAULT '{}', -- JSON: {force, timeout, …}
  step         TEXT NOT NULL DEFAULT '',-- what it is doing now
  progress     REAL,                    -- 0…1, NULL unknown
  log          TEXT NOT NULL DEFAULT '',-- lines
  error_code   TEXT NOT NULL DEFAULT '',
  error_text   TEXT NOT NULL DEFAULT '',
  cancel       INTEGER NOT NULL DEFAULT 0, -- 1: somebody asked to cancel
  attempts     INTEGER NOT NULL DEFAULT 0, -- how often a worker took it
  created_at   INTEGER NOT NULL,
  started_at   INTEGER,
  ended_at     INTEGER
) STRICT;
INSERT INTO "operation" VALUES(1,'48dcc232-30c1-4c3f-ba66-4cadb1ac97ff','image.import','done','','','base','62c2d540-91eb-45cd-af27-bc892be5225a','','system','','{}','',1.0,'importing the uploaded file as localhost/lodge-base:1
','','',0,1,1795626531334,1795626531357,1795626531359);
INSERT INTO "operation" VALUES(2,'566711f2-54dd-40c0-8258-bd0b8fcd3adf','instance.create','done','7892a819-e382-4293-b2a4-c84549258e13','a8c5090f-abe9-4fe6-aebc-2d86062a56de','web','62c2d540-91eb-45cd-af27-bc892be5225a','d115da50-89dd-4e68-be5f-9759d2035d24','admin','dac963ae1a2ab1f3d88406a8624ec438','{"start":true}','',1.0,'made from localhost/lodge-base:1 in 0 ms
started at 10.96.16.2 in 0 ms
','','',0,1,1795626531472,1795626531473,1795626531476);
INSERT INTO "operation" VALUES(3,'09563316-0b5c-49c9-9c84-865c6da5c97c','instance.create','done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','9ace7eff-d8a7-4082-94b2-fc288e5a9d02','db','62c2d540-91eb-45cd-af27-bc892be5225a','562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','5d18932c74839482d7a1da0ff8f0d79b','{"start":true}','',1.0,'made from localhost/lodge-base:1 in 0 ms
started at 10.96.17.2 in 0 ms
','','',0,1,1795626531779,1795626531780,1795626531781);
INSERT INTO "operation" VALUES(4,'6c340479-4445-47cb-8eb5-1c5d88ca721b','instance.stop','done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','9ace7eff-d8a7-4082-94b2-fc288e5a9d02','db','','562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','5a88c35e31357fba522fd75672408e06','{"force":false,"timeout":0}','',1.0,'','','',0,1,1795626531883,1795626531884,1795626531885);
INSERT INTO "operation" VALUES(5,'387324d0-bb0d-4b7e-99de-d6199917d3a3','instance.create','done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','2537d15f-0dce-4b37-8ec3-18df7f03955f','gone','62c2d540-91eb-45cd-af27-bc892be5225a','562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','3c280af78830bc7ffa721ebef44afb8d','{"start":true}','',1.0,'made from localhost/lodge-base:1 in 0 ms
started at 10.96.17.3 in 0 ms
','','',0,1,1795626531888,1795626531889,1795626531890);
INSERT INTO "operation" VALUES(6,'5ea4e4c4-4c4c-420a-b0b9-deb6215fc4d0','instance.delete','done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','2537d15f-0dce-4b37-8ec3-18df7f03955f','gone','','562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','ea3477fd4026b6fdbeb978b381399622','{"force":true}','',1.0,'','','',0,1,1795626531992,1795626531993,1795626531994);
INSERT INTO "operation" VALUES(7,'46b76348-fec7-45e5-a0ae-2c3aa5aa5f01','instance.create','done','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','413e71e2-45fb-41e5-a661-d363d86c6385','flavored','62c2d540-91eb-45cd-af27-bc892be5225a','562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','18551e64de354c30c9b516f99aff400f','{"start":true}','',1.0,'made from localhost/lodge-base:1 in 0 ms
started at 10.96.17.4 in 1 ms
','','',0,1,1795626532000,1795626532001,1795626532002);
CREATE TABLE operation_total (          -- operations that ended, ever: /metrics must not count down when old ones are pruned
  kind   TEXT NOT NULL,
  result TEXT NOT NULL,                 -- 'done', 'failed', 'cancelled'
  n      INTEGER NOT NULL,
  PRIMARY KEY (kind, result)
) STRICT, WITHOUT ROWID;
INSERT INTO "operation_total" VALUES('image.import','done',1);
INSERT INTO "operation_total" VALUES('instance.create','done',4);
INSERT INTO "operation_total" VALUES('instance.delete','done',1);
INSERT INTO "operation_total" VALUES('instance.stop','done',1);
CREATE TABLE quarantine (               -- things of our site in an engine that nobody knows: shown, never deleted
  backend     TEXT NOT NULL,
  engine_ref  TEXT NOT NULL,
  instance_id TEXT NOT NULL,            -- what its label says
  found_at    INTEGER NOT NULL,
  PRIMARY KEY (backend, engine_ref)
) STRICT, WITHOUT ROWID;
CREATE TABLE session (                  -- dashboard sign-ins
  digest       BLOB PRIMARY KEY,        -- keyed hash of the cookie
  id           TEXT NOT NULL UNIQUE,    -- what logs and revocations name
  user_id      TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  tenant_id    TEXT REFERENCES tenant(id) ON DELETE SET NULL, -- chosen in the dashboard; NULL: the first
  address      TEXT NOT NULL,           -- where the sign-in came from
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL         -- written at most once a minute
) STRICT, WITHOUT ROWID;
INSERT INTO "session" VALUES(X'BD86E008EED040B8975BE558F9734C710C4C1E073B62D142E13C9E6A0097ACA3','28d1106f-1822-4b7a-8913-3fbeb92864f3','562d5caf-c135-4273-8776-7197adcf2cc6',NULL,'127.0.0.1',1795626531773,1796231331773,1795626531773);
CREATE TABLE sign_in_attempt (          -- failures, for the rate limit
  subject      TEXT PRIMARY KEY,        -- 'user:<name>' or 'address:<ip>'
  window_at    INTEGER NOT NULL,        -- start of the counted minute
  failures     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE ssh_key (                  -- public keys of users, for SSH into what they own
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id     TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  name        TEXT NOT NULL,
  public_key  TEXT NOT NULL,            -- 'type base64', without the comment
  fingerprint TEXT NOT NULL,            -- 'SHA256:…'
  created_at  INTEGER NOT NULL,
  UNIQUE (user_id, fingerprint)
) STRICT;
INSERT INTO "ssh_key" VALUES(1,'562d5caf-c135-4273-8776-7197adcf2cc6','laptop','ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJzluB7W/el6VllxSktJoYd0Ry5B00BKi+ihUQUEOma','SHA256:IeSrUOQUiNCHwCVwcNX2XUa5j1onv2ML3NJGt07hDx4',1795626532010);
CREATE TABLE tenant (                   -- who owns instances; has one network
  id         TEXT PRIMARY KEY,
  slug       TEXT NOT NULL UNIQUE,      -- DNS label, as in Lodge-Tenant
  name       TEXT NOT NULL,
  net_index  INTEGER NOT NULL UNIQUE,   -- number of its /24 in subnet_pool
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "tenant" VALUES('7892a819-e382-4293-b2a4-c84549258e13','default','Default',0,1795626530905);
INSERT INTO "tenant" VALUES('a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','acme','acme',1,1795626531581);
CREATE TABLE token (                    -- API tokens; the secret is shown once and kept as a keyed hash
  id           TEXT PRIMARY KEY,
  digest       BLOB NOT NULL UNIQUE,
  prefix       TEXT NOT NULL,           -- first characters, to recognise it by
  name         TEXT NOT NULL,
  user_id      TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  tenant_id    TEXT NOT NULL REFERENCES tenant(id) ON DELETE CASCADE,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER,                 -- NULL: never
  last_used_at INTEGER,                 -- NULL: not yet; written at most once a minute
  revoked_at   INTEGER                  -- NULL: good
) STRICT, WITHOUT ROWID;
INSERT INTO "token" VALUES('11b38354-2c7d-427e-aa34-55843b2bc4ac',X'30364F1327ED8CCF8736CFF239229A6768DA62C4B7C30E737EE53900948DBDD3','lg__bYXm','ci','562d5caf-c135-4273-8776-7197adcf2cc6','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',1795626531997,1798218531997,NULL,NULL);
INSERT INTO "token" VALUES('6a6d50f4-e6eb-432c-a338-de1a2e415685',X'1A874107A2A40953FF7B22F1A2B6D25F5D4FD08DBC48ECC905F0575FD53B2605','lg_1R5Ve','tests','562d5caf-c135-4273-8776-7197adcf2cc6','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777',1795626531775,NULL,1795626531778,NULL);
INSERT INTO "token" VALUES('b2136159-b4a1-425d-9611-e0bd66503cf8',X'509ACFA988ABE6DE6837346B1C8DB92275D732EB174D3001158083617E6F33C7','lg_UwpOm','first','d115da50-89dd-4e68-be5f-9759d2035d24','7892a819-e382-4293-b2a4-c84549258e13',1795626530905,NULL,1795626531471,NULL);
CREATE TABLE tombstone (                -- deleted instances: what turns up late under these ids is removed
  instance_id TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL,
  backend     TEXT NOT NULL,
  deleted_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "tombstone" VALUES('2537d15f-0dce-4b37-8ec3-18df7f03955f','a5006b60-9ee9-4ea5-a7b8-6d19f13e9777','docker',1795626531994);
CREATE TABLE usage_sample (             -- newest sample of each running instance
  instance_id  TEXT PRIMARY KEY REFERENCES instance(id) ON DELETE CASCADE,
  at           INTEGER NOT NULL,
  cpu_us       INTEGER NOT NULL,        -- CPU time since start, µs
  cpu_percent  REAL NOT NULL,           -- of one core, since the previous sample
  memory_bytes INTEGER NOT NULL,
  rx_bytes     INTEGER NOT NULL,
  tx_bytes     INTEGER NOT NULL,
  disk_bytes   INTEGER NOT NULL,        -- writable layer; -1 unknown
  pids         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE user (                     -- people; written by lodge-api
  id            TEXT PRIMARY KEY,
  username      TEXT NOT NULL COLLATE NOCASE UNIQUE,
  password_hash TEXT NOT NULL,          -- Argon2id, encoded
  role          TEXT NOT NULL CHECK (role IN ('user', 'admin')),
  disabled      INTEGER NOT NULL DEFAULT 0, -- 1: may not sign in, tokens do not work
  created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "user" VALUES('562d5caf-c135-4273-8776-7197adcf2cc6','user-acme','$argon2id$v=19$m=65536,t=2,p=1$21rHExcndFwbZ7LKa7v9rA$idrGBj+XHIaglECjk03xXycuypUGykINzHLijCvmszs','user',0,1795626531649);
INSERT INTO "user" VALUES('d115da50-89dd-4e68-be5f-9759d2035d24','admin','$argon2id$v=19$m=65536,t=2,p=1$gnfOxRZj+NiqX+1frhjx6A$SP/d4MK+qm7KUwxp81iG4a5hwE5nl2IQJURosD/bQfc','admin',0,1795626530905);
CREATE INDEX member_by_user ON member(user_id);
CREATE INDEX session_by_user ON session(user_id);
CREATE INDEX token_by_tenant ON token(tenant_id);
CREATE INDEX token_by_user ON token(user_id);
CREATE INDEX audit_by_tenant ON audit(tenant_id, id);
CREATE UNIQUE INDEX image_default ON image(kind) WHERE is_default = 1;
CREATE INDEX image_alias_by_image ON image_alias(image_id);
CREATE INDEX instance_by_tenant ON instance(tenant_id, seq);
CREATE INDEX instance_by_state ON instance(tenant_id, state, seq);
CREATE INDEX instance_by_image ON instance(image_id);
CREATE TRIGGER instance_count_insert AFTER INSERT ON instance BEGIN
  INSERT INTO instance_count VALUES (new.tenant_id, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER instance_count_delete AFTER DELETE ON instance BEGIN
  UPDATE instance_count SET n = n - 1 WHERE tenant_id = old.tenant_id AND state = old.state;
END;
CREATE TRIGGER instance_count_state AFTER UPDATE OF state ON instance WHEN new.state <> old.state BEGIN
  UPDATE instance_count SET n = n - 1 WHERE tenant_id = old.tenant_id AND state = old.state;
  INSERT INTO instance_count VALUES (new.tenant_id, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE INDEX instance_label_by_key ON instance_label(key, value, instance_id);
CREATE INDEX instance_port_by_instance ON instance_port(instance_id);
CREATE INDEX operation_open ON operation(seq) WHERE status IN ('queued', 'running');
CREATE INDEX operation_by_instance ON operation(instance_id, seq);
CREATE INDEX operation_by_tenant ON operation(tenant_id, seq);
CREATE INDEX event_by_tenant ON event(tenant_id, id);
CREATE INDEX metric_by_tenant ON metric(tenant_id, id);
CREATE TRIGGER operation_total_end AFTER UPDATE OF status ON operation
WHEN new.status IN ('done', 'failed', 'cancelled') AND old.status IN ('queued', 'running') BEGIN
  INSERT INTO operation_total VALUES (new.kind, new.status, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',15);
INSERT INTO "sqlite_sequence" VALUES('event',42);
INSERT INTO "sqlite_sequence" VALUES('operation',7);
INSERT INTO "sqlite_sequence" VALUES('instance',4);
INSERT INTO "sqlite_sequence" VALUES('metric',1);
INSERT INTO "sqlite_sequence" VALUES('ssh_key',1);
COMMIT;
PRAGMA user_version = 5;
