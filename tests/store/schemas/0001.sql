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
INSERT INTO "audit" VALUES(1,1795209714531,'','','','local','admin.create','e9c75c5f-201f-485e-85fd-7662f37ff395','','ok','first start');
INSERT INTO "audit" VALUES(2,1795209716366,'e9c75c5f-201f-485e-85fd-7662f37ff395','admin','0d5b2f30-c652-4653-b9a0-ae5f2fd9ff04','127.0.0.1','instance.create','3f85d130-e0e1-45c8-9ceb-147d64b59dc6','27ba2064-fc99-439c-afc3-22b0dfe77e8a','ok','web');
INSERT INTO "audit" VALUES(3,1795209716474,'e9c75c5f-201f-485e-85fd-7662f37ff395','admin','0d5b2f30-c652-4653-b9a0-ae5f2fd9ff04','127.0.0.1','instance.create','8fbad40d-609c-4fda-99e9-a392080fb624','27ba2064-fc99-439c-afc3-22b0dfe77e8a','ok','configured');
INSERT INTO "audit" VALUES(4,1795209716483,'e9c75c5f-201f-485e-85fd-7662f37ff395','admin','0d5b2f30-c652-4653-b9a0-ae5f2fd9ff04','127.0.0.1','instance.create','f770f507-1473-47bc-80b0-cfb5b149364c','27ba2064-fc99-439c-afc3-22b0dfe77e8a','ok','missing');
INSERT INTO "audit" VALUES(5,1795209716503,'e9c75c5f-201f-485e-85fd-7662f37ff395','admin','0d5b2f30-c652-4653-b9a0-ae5f2fd9ff04','127.0.0.1','tenant.create','eba99f9b-e2de-4f93-8cee-bda85550eb4b','','ok','acme');
INSERT INTO "audit" VALUES(6,1795209716664,'e9c75c5f-201f-485e-85fd-7662f37ff395','admin','0d5b2f30-c652-4653-b9a0-ae5f2fd9ff04','127.0.0.1','user.create','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','','ok','user-acme');
INSERT INTO "audit" VALUES(7,1795209716678,'e9c75c5f-201f-485e-85fd-7662f37ff395','admin','0d5b2f30-c652-4653-b9a0-ae5f2fd9ff04','127.0.0.1','member.put','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','eba99f9b-e2de-4f93-8cee-bda85550eb4b','ok','user-acme is owner of acme');
INSERT INTO "audit" VALUES(8,1795209717064,'6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','','127.0.0.1','session.begin','153fda63-881b-4951-9d50-e9170c0dc44b','','ok','');
INSERT INTO "audit" VALUES(9,1795209717109,'6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','','127.0.0.1','token.create','c37a7565-0569-4d8c-8651-3050cd71ab84','eba99f9b-e2de-4f93-8cee-bda85550eb4b','ok','lg_YCX1j… (tests) of user-acme');
INSERT INTO "audit" VALUES(10,1795209717133,'6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','c37a7565-0569-4d8c-8651-3050cd71ab84','127.0.0.1','instance.create','59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','eba99f9b-e2de-4f93-8cee-bda85550eb4b','ok','db');
INSERT INTO "audit" VALUES(11,1795209717252,'6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','c37a7565-0569-4d8c-8651-3050cd71ab84','127.0.0.1','instance.stop','59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','eba99f9b-e2de-4f93-8cee-bda85550eb4b','ok','db');
INSERT INTO "audit" VALUES(12,1795209717264,'6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','c37a7565-0569-4d8c-8651-3050cd71ab84','127.0.0.1','instance.create','729ab1a6-d178-42d2-89c9-bc1b2500f961','eba99f9b-e2de-4f93-8cee-bda85550eb4b','ok','gone');
INSERT INTO "audit" VALUES(13,1795209717372,'6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','c37a7565-0569-4d8c-8651-3050cd71ab84','127.0.0.1','instance.delete','729ab1a6-d178-42d2-89c9-bc1b2500f961','eba99f9b-e2de-4f93-8cee-bda85550eb4b','ok','gone');
INSERT INTO "audit" VALUES(14,1795209717380,'e9c75c5f-201f-485e-85fd-7662f37ff395','admin','0d5b2f30-c652-4653-b9a0-ae5f2fd9ff04','127.0.0.1','ingress.create','3f85d130-e0e1-45c8-9ceb-147d64b59dc6','27ba2064-fc99-439c-afc3-22b0dfe77e8a','ok','web');
INSERT INTO "audit" VALUES(15,1795209717386,'e9c75c5f-201f-485e-85fd-7662f37ff395','admin','0d5b2f30-c652-4653-b9a0-ae5f2fd9ff04','127.0.0.1','token.create','a7995265-2fca-4004-9cfe-6c0b0409f5a0','27ba2064-fc99-439c-afc3-22b0dfe77e8a','ok','lg_iCdpX… (ci) of admin');
CREATE TABLE engine_state (             -- last word of each driver, written by lodge-runner
  backend     TEXT PRIMARY KEY,
  healthy     INTEGER NOT NULL,
  type        TEXT NOT NULL,            -- 'podman', 'docker', …
  version     TEXT NOT NULL,
  api_version TEXT NOT NULL,
  reason      TEXT NOT NULL,            -- why not healthy
  checked_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "engine_state" VALUES('docker',1,'fake','1','1','',1795209716084);
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
INSERT INTO "event" VALUES(1,1795209715903,'image.created','',0,'image','e326477d-0873-4a5d-85e4-2f0130ccbdd1','base','',0,'{"image":{"id":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","name":"base","aliases":[],"kind":"container","source":"built","reference":"localhost/lodge-base:1","digest":null,"sizeBytes":0,"default":false,"public":true,"state":"pulling","error":null,"tenant":null,"createdAt":"2026-11-20T21:21:55.903Z"}}');
INSERT INTO "event" VALUES(2,1795209715903,'image.updated','',0,'image','e326477d-0873-4a5d-85e4-2f0130ccbdd1','base','',0,'{"image":{"id":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","name":"base","aliases":[],"kind":"container","source":"built","reference":"localhost/lodge-base:1","digest":null,"sizeBytes":0,"default":true,"public":true,"state":"pulling","error":null,"tenant":null,"createdAt":"2026-11-20T21:21:55.903Z"}}');
INSERT INTO "event" VALUES(3,1795209715904,'operation.created','',0,'operation','c236fe31-4c3a-4767-bbba-405a6471e280','base','c236fe31-4c3a-4767-bbba-405a6471e280',0,'{"operation":{"id":"c236fe31-4c3a-4767-bbba-405a6471e280","kind":"image.import","status":"queued","instance":null,"instanceName":null,"image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":"base","step":"","progress":null,"log":[],"error":null,"requestedBy":"system","cancellable":true,"createdAt":"2026-11-20T21:21:55.903Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(4,1795209716074,'operation.progress','',0,'operation','c236fe31-4c3a-4767-bbba-405a6471e280','base','c236fe31-4c3a-4767-bbba-405a6471e280',0,'{"operation":{"id":"c236fe31-4c3a-4767-bbba-405a6471e280","kind":"image.import","status":"running","instance":null,"instanceName":null,"image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":"base","step":"","progress":null,"log":[],"error":null,"requestedBy":"system","cancellable":true,"createdAt":"2026-11-20T21:21:55.903Z","startedAt":"2026-11-20T21:21:56.073Z","endedAt":null}}');
INSERT INTO "event" VALUES(5,1795209716276,'image.updated','',0,'image','e326477d-0873-4a5d-85e4-2f0130ccbdd1','base','',0,'{"image":{"id":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","name":"base","aliases":[],"kind":"container","source":"built","reference":"localhost/lodge-base:1","digest":"sha256:e52398a0-eed7-4a6f-a1e3-da53cb3c0c2d","sizeBytes":2150400,"default":true,"public":true,"state":"ready","error":null,"tenant":null,"createdAt":"2026-11-20T21:21:55.903Z"}}');
INSERT INTO "event" VALUES(6,1795209716276,'operation.progress','',0,'operation','c236fe31-4c3a-4767-bbba-405a6471e280','base','c236fe31-4c3a-4767-bbba-405a6471e280',0,'{"operation":{"id":"c236fe31-4c3a-4767-bbba-405a6471e280","kind":"image.import","status":"running","instance":null,"instanceName":null,"image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":"base","step":"","progress":null,"log":["importing the uploaded file as localhost/lodge-base:1"],"error":null,"requestedBy":"system","cancellable":true,"createdAt":"2026-11-20T21:21:55.903Z","startedAt":"2026-11-20T21:21:56.073Z","endedAt":null}}');
INSERT INTO "event" VALUES(7,1795209716276,'operation.done','',0,'operation','c236fe31-4c3a-4767-bbba-405a6471e280','base','c236fe31-4c3a-4767-bbba-405a6471e280',1,'{"operation":{"id":"c236fe31-4c3a-4767-bbba-405a6471e280","kind":"image.import","status":"done","instance":null,"instanceName":null,"image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":"base","step":"","progress":1,"log":["importing the uploaded file as localhost/lodge-base:1"],"error":null,"requestedBy":"system","cancellable":false,"createdAt":"2026-11-20T21:21:55.903Z","startedAt":"2026-11-20T21:21:56.073Z","endedAt":"2026-11-20T21:21:56.276Z"}}');
INSERT INTO "event" VALUES(8,1795209716365,'instance.created','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'instance','3f85d130-e0e1-45c8-9ceb-147d64b59dc6','web','',0,'{"state":"creating","previous":"creating","reason":null,"address":"127.96.0.2","desired":"running","health":"unknown","version":1,"startedAt":null}');
INSERT INTO "event" VALUES(9,1795209716366,'operation.created','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','5f5bafe5-cce8-42ef-9a34-352e4ea7602d','web','5f5bafe5-cce8-42ef-9a34-352e4ea7602d',0,'{"operation":{"id":"5f5bafe5-cce8-42ef-9a34-352e4ea7602d","kind":"instance.create","status":"queued","instance":"3f85d130-e0e1-45c8-9ceb-147d64b59dc6","instanceName":"web","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-20T21:21:56.366Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(10,1795209716367,'operation.progress','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','5f5bafe5-cce8-42ef-9a34-352e4ea7602d','web','5f5bafe5-cce8-42ef-9a34-352e4ea7602d',0,'{"operation":{"id":"5f5bafe5-cce8-42ef-9a34-352e4ea7602d","kind":"instance.create","status":"running","instance":"3f85d130-e0e1-45c8-9ceb-147d64b59dc6","instanceName":"web","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-20T21:21:56.366Z","startedAt":"2026-11-20T21:21:56.367Z","endedAt":null}}');
INSERT INTO "event" VALUES(11,1795209716371,'instance.state','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'instance','3f85d130-e0e1-45c8-9ceb-147d64b59dc6','web','5f5bafe5-cce8-42ef-9a34-352e4ea7602d',0,'{"state":"running","previous":"creating","reason":null,"address":"127.96.0.2","desired":"running","health":"unknown","version":2,"startedAt":"2026-11-20T21:21:56.370Z"}');
INSERT INTO "event" VALUES(12,1795209716371,'operation.progress','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','5f5bafe5-cce8-42ef-9a34-352e4ea7602d','web','5f5bafe5-cce8-42ef-9a34-352e4ea7602d',0,'{"operation":{"id":"5f5bafe5-cce8-42ef-9a34-352e4ea7602d","kind":"instance.create","status":"running","instance":"3f85d130-e0e1-45c8-9ceb-147d64b59dc6","instanceName":"web","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":["made from localhost/lodge-base:1 in 1 ms","started at 127.96.0.2 in 0 ms"],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-20T21:21:56.366Z","startedAt":"2026-11-20T21:21:56.367Z","endedAt":null}}');
INSERT INTO "event" VALUES(13,1795209716371,'operation.done','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','5f5bafe5-cce8-42ef-9a34-352e4ea7602d','web','5f5bafe5-cce8-42ef-9a34-352e4ea7602d',1,'{"operation":{"id":"5f5bafe5-cce8-42ef-9a34-352e4ea7602d","kind":"instance.create","status":"done","instance":"3f85d130-e0e1-45c8-9ceb-147d64b59dc6","instanceName":"web","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":1,"log":["made from localhost/lodge-base:1 in 1 ms","started at 127.96.0.2 in 0 ms"],"error":null,"requestedBy":"admin","cancellable":false,"createdAt":"2026-11-20T21:21:56.366Z","startedAt":"2026-11-20T21:21:56.367Z","endedAt":"2026-11-20T21:21:56.371Z"}}');
INSERT INTO "event" VALUES(14,1795209716473,'instance.created','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'instance','8fbad40d-609c-4fda-99e9-a392080fb624','configured','',0,'{"state":"creating","previous":"creating","reason":null,"address":"127.96.0.3","desired":"running","health":"unknown","version":1,"startedAt":null}');
INSERT INTO "event" VALUES(15,1795209716473,'operation.created','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','948bbe8b-8c0e-455b-819c-eabb3adcff03','configured','948bbe8b-8c0e-455b-819c-eabb3adcff03',0,'{"operation":{"id":"948bbe8b-8c0e-455b-819c-eabb3adcff03","kind":"instance.create","status":"queued","instance":"8fbad40d-609c-4fda-99e9-a392080fb624","instanceName":"configured","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-20T21:21:56.473Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(16,1795209716483,'instance.created','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'instance','f770f507-1473-47bc-80b0-cfb5b149364c','missing','',0,'{"state":"creating","previous":"creating","reason":null,"address":"127.96.0.4","desired":"running","health":"unknown","version":1,"startedAt":null}');
INSERT INTO "event" VALUES(17,1795209716483,'operation.created','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','11bebf99-278d-44a2-9631-ab391ad3a281','missing','11bebf99-278d-44a2-9631-ab391ad3a281',0,'{"operation":{"id":"11bebf99-278d-44a2-9631-ab391ad3a281","kind":"instance.create","status":"queued","instance":"f770f507-1473-47bc-80b0-cfb5b149364c","instanceName":"missing","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-20T21:21:56.483Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(18,1795209716484,'operation.progress','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','948bbe8b-8c0e-455b-819c-eabb3adcff03','configured','948bbe8b-8c0e-455b-819c-eabb3adcff03',0,'{"operation":{"id":"948bbe8b-8c0e-455b-819c-eabb3adcff03","kind":"instance.create","status":"running","instance":"8fbad40d-609c-4fda-99e9-a392080fb624","instanceName":"configured","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-20T21:21:56.473Z","startedAt":"2026-11-20T21:21:56.484Z","endedAt":null}}');
INSERT INTO "event" VALUES(19,1795209716491,'operation.progress','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','11bebf99-278d-44a2-9631-ab391ad3a281','missing','11bebf99-278d-44a2-9631-ab391ad3a281',0,'{"operation":{"id":"11bebf99-278d-44a2-9631-ab391ad3a281","kind":"instance.create","status":"running","instance":"f770f507-1473-47bc-80b0-cfb5b149364c","instanceName":"missing","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-20T21:21:56.483Z","startedAt":"2026-11-20T21:21:56.491Z","endedAt":null}}');
INSERT INTO "event" VALUES(20,1795209716502,'instance.state','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'instance','8fbad40d-609c-4fda-99e9-a392080fb624','configured','948bbe8b-8c0e-455b-819c-eabb3adcff03',0,'{"state":"running","previous":"creating","reason":null,"address":"127.96.0.3","desired":"running","health":"unknown","version":2,"startedAt":"2026-11-20T21:21:56.487Z"}');
INSERT INTO "event" VALUES(21,1795209716502,'operation.progress','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','948bbe8b-8c0e-455b-819c-eabb3adcff03','configured','948bbe8b-8c0e-455b-819c-eabb3adcff03',0,'{"operation":{"id":"948bbe8b-8c0e-455b-819c-eabb3adcff03","kind":"instance.create","status":"running","instance":"8fbad40d-609c-4fda-99e9-a392080fb624","instanceName":"configured","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":["made from localhost/lodge-base:1 in 1 ms","started at 127.96.0.3 in 0 ms"],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-20T21:21:56.473Z","startedAt":"2026-11-20T21:21:56.484Z","endedAt":null}}');
INSERT INTO "event" VALUES(22,1795209716502,'operation.done','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','948bbe8b-8c0e-455b-819c-eabb3adcff03','configured','948bbe8b-8c0e-455b-819c-eabb3adcff03',1,'{"operation":{"id":"948bbe8b-8c0e-455b-819c-eabb3adcff03","kind":"instance.create","status":"done","instance":"8fbad40d-609c-4fda-99e9-a392080fb624","instanceName":"configured","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":1,"log":["made from localhost/lodge-base:1 in 1 ms","started at 127.96.0.3 in 0 ms"],"error":null,"requestedBy":"admin","cancellable":false,"createdAt":"2026-11-20T21:21:56.473Z","startedAt":"2026-11-20T21:21:56.484Z","endedAt":"2026-11-20T21:21:56.502Z"}}');
INSERT INTO "event" VALUES(23,1795209716510,'instance.state','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'instance','f770f507-1473-47bc-80b0-cfb5b149364c','missing','11bebf99-278d-44a2-9631-ab391ad3a281',0,'{"state":"error","previous":"creating","reason":{"text":"image docker.io/library/missing:1 cannot be had: cannot pull the image: manifest of docker.io/library/missing:1 unknown","code":"image_missing","exitCode":null,"oomKilled":false,"at":"2026-11-20T21:21:56.510Z","log":null},"address":"127.96.0.4","desired":"running","health":"unknown","version":2,"startedAt":null}');
INSERT INTO "event" VALUES(24,1795209716510,'operation.progress','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','11bebf99-278d-44a2-9631-ab391ad3a281','missing','11bebf99-278d-44a2-9631-ab391ad3a281',0,'{"operation":{"id":"11bebf99-278d-44a2-9631-ab391ad3a281","kind":"instance.create","status":"running","instance":"f770f507-1473-47bc-80b0-cfb5b149364c","instanceName":"missing","image":null,"imageName":null,"step":"","progress":null,"log":["image docker.io/library/missing:1 is not here; pulling it"],"error":null,"requestedBy":"admin","cancellable":true,"createdAt":"2026-11-20T21:21:56.483Z","startedAt":"2026-11-20T21:21:56.491Z","endedAt":null}}');
INSERT INTO "event" VALUES(25,1795209716510,'operation.done','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'operation','11bebf99-278d-44a2-9631-ab391ad3a281','missing','11bebf99-278d-44a2-9631-ab391ad3a281',1,'{"operation":{"id":"11bebf99-278d-44a2-9631-ab391ad3a281","kind":"instance.create","status":"failed","instance":"f770f507-1473-47bc-80b0-cfb5b149364c","instanceName":"missing","image":null,"imageName":null,"step":"","progress":null,"log":["image docker.io/library/missing:1 is not here; pulling it"],"error":{"code":"BACKEND_ERROR","message":"image docker.io/library/missing:1 cannot be had: cannot pull the image: manifest of docker.io/library/missing:1 unknown"},"requestedBy":"admin","cancellable":false,"createdAt":"2026-11-20T21:21:56.483Z","startedAt":"2026-11-20T21:21:56.491Z","endedAt":"2026-11-20T21:21:56.510Z"}}');
INSERT INTO "event" VALUES(26,1795209717133,'instance.created','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'instance','59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','db','',0,'{"state":"creating","previous":"creating","reason":null,"address":"127.96.1.2","desired":"running","health":"unknown","version":1,"startedAt":null}');
INSERT INTO "event" VALUES(27,1795209717133,'operation.created','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','fa82d700-21f5-46a5-8962-1e87b2eaf8c1','db','fa82d700-21f5-46a5-8962-1e87b2eaf8c1',0,'{"operation":{"id":"fa82d700-21f5-46a5-8962-1e87b2eaf8c1","kind":"instance.create","status":"queued","instance":"59e90d8e-c01e-4609-8f1f-7e51a1eb2fce","instanceName":"db","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.133Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(28,1795209717145,'operation.progress','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','fa82d700-21f5-46a5-8962-1e87b2eaf8c1','db','fa82d700-21f5-46a5-8962-1e87b2eaf8c1',0,'{"operation":{"id":"fa82d700-21f5-46a5-8962-1e87b2eaf8c1","kind":"instance.create","status":"running","instance":"59e90d8e-c01e-4609-8f1f-7e51a1eb2fce","instanceName":"db","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.133Z","startedAt":"2026-11-20T21:21:57.145Z","endedAt":null}}');
INSERT INTO "event" VALUES(29,1795209717147,'instance.state','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'instance','59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','db','fa82d700-21f5-46a5-8962-1e87b2eaf8c1',0,'{"state":"running","previous":"creating","reason":null,"address":"127.96.1.2","desired":"running","health":"unknown","version":2,"startedAt":"2026-11-20T21:21:57.146Z"}');
INSERT INTO "event" VALUES(30,1795209717147,'operation.progress','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','fa82d700-21f5-46a5-8962-1e87b2eaf8c1','db','fa82d700-21f5-46a5-8962-1e87b2eaf8c1',0,'{"operation":{"id":"fa82d700-21f5-46a5-8962-1e87b2eaf8c1","kind":"instance.create","status":"running","instance":"59e90d8e-c01e-4609-8f1f-7e51a1eb2fce","instanceName":"db","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":["made from localhost/lodge-base:1 in 0 ms","started at 127.96.1.2 in 0 ms"],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.133Z","startedAt":"2026-11-20T21:21:57.145Z","endedAt":null}}');
INSERT INTO "event" VALUES(31,1795209717147,'operation.done','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','fa82d700-21f5-46a5-8962-1e87b2eaf8c1','db','fa82d700-21f5-46a5-8962-1e87b2eaf8c1',1,'{"operation":{"id":"fa82d700-21f5-46a5-8962-1e87b2eaf8c1","kind":"instance.create","status":"done","instance":"59e90d8e-c01e-4609-8f1f-7e51a1eb2fce","instanceName":"db","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":1,"log":["made from localhost/lodge-base:1 in 0 ms","started at 127.96.1.2 in 0 ms"],"error":null,"requestedBy":"user-acme","cancellable":false,"createdAt":"2026-11-20T21:21:57.133Z","startedAt":"2026-11-20T21:21:57.145Z","endedAt":"2026-11-20T21:21:57.147Z"}}');
INSERT INTO "event" VALUES(32,1795209717252,'operation.created','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','5100c5bb-1bdc-4508-be6f-03e6621a6856','db','5100c5bb-1bdc-4508-be6f-03e6621a6856',0,'{"operation":{"id":"5100c5bb-1bdc-4508-be6f-03e6621a6856","kind":"instance.stop","status":"queued","instance":"59e90d8e-c01e-4609-8f1f-7e51a1eb2fce","instanceName":"db","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.252Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(33,1795209717252,'instance.state','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'instance','59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','db','5100c5bb-1bdc-4508-be6f-03e6621a6856',0,'{"state":"stopping","previous":"running","reason":null,"address":"127.96.1.2","desired":"stopped","health":"unknown","version":3,"startedAt":"2026-11-20T21:21:57.146Z"}');
INSERT INTO "event" VALUES(34,1795209717253,'operation.progress','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','5100c5bb-1bdc-4508-be6f-03e6621a6856','db','5100c5bb-1bdc-4508-be6f-03e6621a6856',0,'{"operation":{"id":"5100c5bb-1bdc-4508-be6f-03e6621a6856","kind":"instance.stop","status":"running","instance":"59e90d8e-c01e-4609-8f1f-7e51a1eb2fce","instanceName":"db","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.252Z","startedAt":"2026-11-20T21:21:57.253Z","endedAt":null}}');
INSERT INTO "event" VALUES(35,1795209717256,'instance.state','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'instance','59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','db','5100c5bb-1bdc-4508-be6f-03e6621a6856',0,'{"state":"stopped","previous":"stopping","reason":{"text":"stopped by user-acme","code":"stopped_by_user","exitCode":null,"oomKilled":false,"at":"2026-11-20T21:21:57.256Z","log":null},"address":"127.96.1.2","desired":"stopped","health":"unknown","version":4,"startedAt":null}');
INSERT INTO "event" VALUES(36,1795209717256,'operation.done','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','5100c5bb-1bdc-4508-be6f-03e6621a6856','db','5100c5bb-1bdc-4508-be6f-03e6621a6856',1,'{"operation":{"id":"5100c5bb-1bdc-4508-be6f-03e6621a6856","kind":"instance.stop","status":"done","instance":"59e90d8e-c01e-4609-8f1f-7e51a1eb2fce","instanceName":"db","image":null,"imageName":null,"step":"","progress":1,"log":[],"error":null,"requestedBy":"user-acme","cancellable":false,"createdAt":"2026-11-20T21:21:57.252Z","startedAt":"2026-11-20T21:21:57.253Z","endedAt":"2026-11-20T21:21:57.256Z"}}');
INSERT INTO "event" VALUES(37,1795209717264,'instance.created','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'instance','729ab1a6-d178-42d2-89c9-bc1b2500f961','gone','',0,'{"state":"creating","previous":"creating","reason":null,"address":"127.96.1.3","desired":"running","health":"unknown","version":1,"startedAt":null}');
INSERT INTO "event" VALUES(38,1795209717264,'operation.created','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','e03e7cea-a8dd-415c-85ea-f821edac0c6c','gone','e03e7cea-a8dd-415c-85ea-f821edac0c6c',0,'{"operation":{"id":"e03e7cea-a8dd-415c-85ea-f821edac0c6c","kind":"instance.create","status":"queued","instance":"729ab1a6-d178-42d2-89c9-bc1b2500f961","instanceName":"gone","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.264Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(39,1795209717265,'operation.progress','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','e03e7cea-a8dd-415c-85ea-f821edac0c6c','gone','e03e7cea-a8dd-415c-85ea-f821edac0c6c',0,'{"operation":{"id":"e03e7cea-a8dd-415c-85ea-f821edac0c6c","kind":"instance.create","status":"running","instance":"729ab1a6-d178-42d2-89c9-bc1b2500f961","instanceName":"gone","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.264Z","startedAt":"2026-11-20T21:21:57.265Z","endedAt":null}}');
INSERT INTO "event" VALUES(40,1795209717267,'instance.state','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'instance','729ab1a6-d178-42d2-89c9-bc1b2500f961','gone','e03e7cea-a8dd-415c-85ea-f821edac0c6c',0,'{"state":"running","previous":"creating","reason":null,"address":"127.96.1.3","desired":"running","health":"unknown","version":2,"startedAt":"2026-11-20T21:21:57.266Z"}');
INSERT INTO "event" VALUES(41,1795209717267,'operation.progress','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','e03e7cea-a8dd-415c-85ea-f821edac0c6c','gone','e03e7cea-a8dd-415c-85ea-f821edac0c6c',0,'{"operation":{"id":"e03e7cea-a8dd-415c-85ea-f821edac0c6c","kind":"instance.create","status":"running","instance":"729ab1a6-d178-42d2-89c9-bc1b2500f961","instanceName":"gone","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":null,"log":["made from localhost/lodge-base:1 in 0 ms","started at 127.96.1.3 in 0 ms"],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.264Z","startedAt":"2026-11-20T21:21:57.265Z","endedAt":null}}');
INSERT INTO "event" VALUES(42,1795209717267,'operation.done','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','e03e7cea-a8dd-415c-85ea-f821edac0c6c','gone','e03e7cea-a8dd-415c-85ea-f821edac0c6c',1,'{"operation":{"id":"e03e7cea-a8dd-415c-85ea-f821edac0c6c","kind":"instance.create","status":"done","instance":"729ab1a6-d178-42d2-89c9-bc1b2500f961","instanceName":"gone","image":"e326477d-0873-4a5d-85e4-2f0130ccbdd1","imageName":null,"step":"","progress":1,"log":["made from localhost/lodge-base:1 in 0 ms","started at 127.96.1.3 in 0 ms"],"error":null,"requestedBy":"user-acme","cancellable":false,"createdAt":"2026-11-20T21:21:57.264Z","startedAt":"2026-11-20T21:21:57.265Z","endedAt":"2026-11-20T21:21:57.267Z"}}');
INSERT INTO "event" VALUES(43,1795209717372,'operation.created','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','abaf10bd-e4cf-4390-9ce9-c790f60a079e','gone','abaf10bd-e4cf-4390-9ce9-c790f60a079e',0,'{"operation":{"id":"abaf10bd-e4cf-4390-9ce9-c790f60a079e","kind":"instance.delete","status":"queued","instance":"729ab1a6-d178-42d2-89c9-bc1b2500f961","instanceName":"gone","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.372Z","startedAt":null,"endedAt":null}}');
INSERT INTO "event" VALUES(44,1795209717372,'instance.state','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'instance','729ab1a6-d178-42d2-89c9-bc1b2500f961','gone','abaf10bd-e4cf-4390-9ce9-c790f60a079e',0,'{"state":"deleting","previous":"running","reason":null,"address":"127.96.1.3","desired":"absent","health":"unknown","version":3,"startedAt":"2026-11-20T21:21:57.266Z"}');
INSERT INTO "event" VALUES(45,1795209717373,'operation.progress','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','abaf10bd-e4cf-4390-9ce9-c790f60a079e','gone','abaf10bd-e4cf-4390-9ce9-c790f60a079e',0,'{"operation":{"id":"abaf10bd-e4cf-4390-9ce9-c790f60a079e","kind":"instance.delete","status":"running","instance":"729ab1a6-d178-42d2-89c9-bc1b2500f961","instanceName":"gone","image":null,"imageName":null,"step":"","progress":null,"log":[],"error":null,"requestedBy":"user-acme","cancellable":true,"createdAt":"2026-11-20T21:21:57.372Z","startedAt":"2026-11-20T21:21:57.373Z","endedAt":null}}');
INSERT INTO "event" VALUES(46,1795209717374,'instance.deleted','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'instance','729ab1a6-d178-42d2-89c9-bc1b2500f961','gone','abaf10bd-e4cf-4390-9ce9-c790f60a079e',0,'{"state":"deleting","previous":"deleting","reason":null,"address":"127.96.1.3","desired":"absent","health":"unknown","version":3,"startedAt":"2026-11-20T21:21:57.266Z"}');
INSERT INTO "event" VALUES(47,1795209717374,'operation.done','eba99f9b-e2de-4f93-8cee-bda85550eb4b',0,'operation','abaf10bd-e4cf-4390-9ce9-c790f60a079e','gone','abaf10bd-e4cf-4390-9ce9-c790f60a079e',1,'{"operation":{"id":"abaf10bd-e4cf-4390-9ce9-c790f60a079e","kind":"instance.delete","status":"done","instance":"729ab1a6-d178-42d2-89c9-bc1b2500f961","instanceName":"gone","image":null,"imageName":null,"step":"","progress":1,"log":[],"error":null,"requestedBy":"user-acme","cancellable":false,"createdAt":"2026-11-20T21:21:57.372Z","startedAt":"2026-11-20T21:21:57.373Z","endedAt":"2026-11-20T21:21:57.374Z"}}');
INSERT INTO "event" VALUES(48,1795209717380,'ingress.created','27ba2064-fc99-439c-afc3-22b0dfe77e8a',0,'ingress','3f85d130-e0e1-45c8-9ceb-147d64b59dc6','web','',0,'{"instance":"3f85d130-e0e1-45c8-9ceb-147d64b59dc6","rule":{"instance":"3f85d130-e0e1-45c8-9ceb-147d64b59dc6","port":443,"targetPort":8080,"host":"web","url":"https://web.apps.localhost:38283/","access":"public","createdAt":"2026-11-20T21:21:57.379Z"}}');
CREATE TABLE host_number_quarantine (   -- freed addresses rest longer than any cached route lives
  tenant_id   TEXT NOT NULL,
  host_number INTEGER NOT NULL,
  until       INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, host_number)
) STRICT, WITHOUT ROWID;
INSERT INTO "host_number_quarantine" VALUES('eba99f9b-e2de-4f93-8cee-bda85550eb4b',3,1795209732374);
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
INSERT INTO "image" VALUES('e326477d-0873-4a5d-85e4-2f0130ccbdd1',NULL,'base','container','built','localhost/lodge-base:1','sha256:e52398a0-eed7-4a6f-a1e3-da53cb3c0c2d',2150400,1,1,'ready','','',1795209715903,1795209716276);
CREATE TABLE image_alias (              -- every name an image is found by, its own name included
  scope    TEXT NOT NULL,               -- tenant id, or '' for the host's public ones
  alias    TEXT NOT NULL,
  image_id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
  PRIMARY KEY (scope, alias)
) STRICT, WITHOUT ROWID;
INSERT INTO "image_alias" VALUES('','base','e326477d-0873-4a5d-85e4-2f0130ccbdd1');
CREATE TABLE ingress (                  -- https://<host>.<apps_domain> → the instance's target_port
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  port        INTEGER NOT NULL,         -- 443
  target_port INTEGER NOT NULL,
  host        TEXT NOT NULL UNIQUE,     -- DNS label
  access      TEXT NOT NULL CHECK (access IN ('public', 'members')),
  created_at  INTEGER NOT NULL,
  PRIMARY KEY (instance_id, port)
) STRICT, WITHOUT ROWID;
INSERT INTO "ingress" VALUES('3f85d130-e0e1-45c8-9ceb-147d64b59dc6',443,8080,'web','public',1795209717379);
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
  started_at   INTEGER,                 -- NULL: not running
  UNIQUE (tenant_id, name),
  UNIQUE (tenant_id, host_number)
) STRICT;
INSERT INTO "instance" VALUES(1,'3f85d130-e0e1-45c8-9ceb-147d64b59dc6','27ba2064-fc99-439c-afc3-22b0dfe77e8a','web','container','docker','running','running','unknown',NULL,'e326477d-0873-4a5d-85e4-2f0130ccbdd1','base','localhost/lodge-base:1','{"command":[],"ports":[],"networkMode":"bridge","restartPolicy":"no","volumes":[]}',500,268435456,0,2,'fake-3f85d130-e0e1-45c8-9ceb-147d64b59dc6','e9c75c5f-201f-485e-85fd-7662f37ff395',2,1795209716365,1795209716371,1795209716370);
INSERT INTO "instance" VALUES(2,'8fbad40d-609c-4fda-99e9-a392080fb624','27ba2064-fc99-439c-afc3-22b0dfe77e8a','configured','container','docker','running','running','unknown',NULL,'e326477d-0873-4a5d-85e4-2f0130ccbdd1','base','localhost/lodge-base:1','{"command":[],"ports":["8081:80"],"networkMode":"bridge","restartPolicy":"no","volumes":[]}',500,268435456,0,3,'fake-8fbad40d-609c-4fda-99e9-a392080fb624','e9c75c5f-201f-485e-85fd-7662f37ff395',2,1795209716473,1795209716502,1795209716487);
INSERT INTO "instance" VALUES(3,'f770f507-1473-47bc-80b0-cfb5b149364c','27ba2064-fc99-439c-afc3-22b0dfe77e8a','missing','container','docker','error','running','unknown','{"text":"image docker.io/library/missing:1 cannot be had: cannot pull the image: manifest of docker.io/library/missing:1 unknown","code":"image_missing","exitCode":null,"oomKilled":false,"at":"2026-11-20T21:21:56.510Z","log":null}',NULL,'docker.io/library/missing:1','docker.io/library/missing:1','{"command":[],"ports":[],"networkMode":"bridge","restartPolicy":"no","volumes":[]}',500,268435456,0,4,'','e9c75c5f-201f-485e-85fd-7662f37ff395',2,1795209716483,1795209716510,NULL);
INSERT INTO "instance" VALUES(4,'59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','eba99f9b-e2de-4f93-8cee-bda85550eb4b','db','container','docker','stopped','stopped','unknown','{"text":"stopped by user-acme","code":"stopped_by_user","exitCode":null,"oomKilled":false,"at":"2026-11-20T21:21:57.256Z","log":null}','e326477d-0873-4a5d-85e4-2f0130ccbdd1','base','localhost/lodge-base:1','{"command":[],"ports":[],"networkMode":"bridge","restartPolicy":"no","volumes":[]}',500,268435456,0,2,'fake-59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c',4,1795209717133,1795209717256,NULL);
CREATE TABLE instance_count (           -- kept by the triggers below, so that a list's total costs nothing
  tenant_id TEXT NOT NULL,
  state     TEXT NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, state)
) STRICT, WITHOUT ROWID;
INSERT INTO "instance_count" VALUES('27ba2064-fc99-439c-afc3-22b0dfe77e8a','creating',0);
INSERT INTO "instance_count" VALUES('27ba2064-fc99-439c-afc3-22b0dfe77e8a','error',1);
INSERT INTO "instance_count" VALUES('27ba2064-fc99-439c-afc3-22b0dfe77e8a','running',2);
INSERT INTO "instance_count" VALUES('eba99f9b-e2de-4f93-8cee-bda85550eb4b','creating',0);
INSERT INTO "instance_count" VALUES('eba99f9b-e2de-4f93-8cee-bda85550eb4b','deleting',0);
INSERT INTO "instance_count" VALUES('eba99f9b-e2de-4f93-8cee-bda85550eb4b','running',0);
INSERT INTO "instance_count" VALUES('eba99f9b-e2de-4f93-8cee-bda85550eb4b','stopped',1);
INSERT INTO "instance_count" VALUES('eba99f9b-e2de-4f93-8cee-bda85550eb4b','stopping',0);
CREATE TABLE instance_env (             -- environment; secret values are sealed with keys/env.key
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  position    INTEGER NOT NULL,
  name        TEXT NOT NULL,
  value       BLOB NOT NULL,            -- text, or the sealed bytes
  secret      INTEGER NOT NULL,
  PRIMARY KEY (instance_id, position)
) STRICT, WITHOUT ROWID;
INSERT INTO "instance_env" VALUES('8fbad40d-609c-4fda-99e9-a392080fb624',0,'GREETING',X'68656C6C6F',0);
CREATE TABLE instance_label (
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  key         TEXT NOT NULL,
  value       TEXT NOT NULL,
  PRIMARY KEY (instance_id, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "instance_label" VALUES('3f85d130-e0e1-45c8-9ceb-147d64b59dc6','role','front');
CREATE TABLE instance_port (            -- ports published on the host: unique over all tenants
  host_port     INTEGER NOT NULL,
  protocol      TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
  instance_id   TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  instance_port INTEGER NOT NULL,
  PRIMARY KEY (host_port, protocol)
) STRICT, WITHOUT ROWID;
INSERT INTO "instance_port" VALUES(8081,'tcp','8fbad40d-609c-4fda-99e9-a392080fb624',80);
CREATE TABLE member (                   -- which user may act in which tenant
  tenant_id TEXT NOT NULL REFERENCES tenant(id) ON DELETE CASCADE,
  user_id   TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  role      TEXT NOT NULL CHECK (role IN ('member', 'owner')),
  since     INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, user_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "member" VALUES('27ba2064-fc99-439c-afc3-22b0dfe77e8a','e9c75c5f-201f-485e-85fd-7662f37ff395','owner',1795209714531);
INSERT INTO "member" VALUES('eba99f9b-e2de-4f93-8cee-bda85550eb4b','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','owner',1795209716678);
INSERT INTO "member" VALUES('eba99f9b-e2de-4f93-8cee-bda85550eb4b','e9c75c5f-201f-485e-85fd-7662f37ff395','owner',1795209716503);
CREATE TABLE meta (                     -- facts about this installation
  key   TEXT PRIMARY KEY,               -- 'site'
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('site','50691e00-2e50-4497-9d2a-2d44df48e779');
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
INSERT INTO "operation" VALUES(1,'c236fe31-4c3a-4767-bbba-405a6471e280','image.import','done','','','base','e326477d-0873-4a5d-85e4-2f0130ccbdd1','','system','','{}','',1.0,'importing the uploaded file as localhost/lodge-base:1
','','',0,1,1795209715903,1795209716073,1795209716276);
INSERT INTO "operation" VALUES(2,'5f5bafe5-cce8-42ef-9a34-352e4ea7602d','instance.create','done','27ba2064-fc99-439c-afc3-22b0dfe77e8a','3f85d130-e0e1-45c8-9ceb-147d64b59dc6','web','e326477d-0873-4a5d-85e4-2f0130ccbdd1','e9c75c5f-201f-485e-85fd-7662f37ff395','admin','5cb7fa9eaa9d0028b7ca1e7b70af4652','{"start":true}','',1.0,'made from localhost/lodge-base:1 in 1 ms
started at 127.96.0.2 in 0 ms
','','',0,1,1795209716366,1795209716367,1795209716371);
INSERT INTO "operation" VALUES(3,'948bbe8b-8c0e-455b-819c-eabb3adcff03','instance.create','done','27ba2064-fc99-439c-afc3-22b0dfe77e8a','8fbad40d-609c-4fda-99e9-a392080fb624','configured','e326477d-0873-4a5d-85e4-2f0130ccbdd1','e9c75c5f-201f-485e-85fd-7662f37ff395','admin','b8c54ca1357aa7a3fb0386fce7705e21','{"start":true}','',1.0,'made from localhost/lodge-base:1 in 1 ms
started at 127.96.0.3 in 0 ms
','','',0,1,1795209716473,1795209716484,1795209716502);
INSERT INTO "operation" VALUES(4,'11bebf99-278d-44a2-9631-ab391ad3a281','instance.create','failed','27ba2064-fc99-439c-afc3-22b0dfe77e8a','f770f507-1473-47bc-80b0-cfb5b149364c','missing','','e9c75c5f-201f-485e-85fd-7662f37ff395','admin','f47053883d8bf754fd3e675087b86439','{"start":true}','',NULL,'image docker.io/library/missing:1 is not here; pulling it
','BACKEND_ERROR','image docker.io/library/missing:1 cannot be had: cannot pull the image: manifest of docker.io/library/missing:1 unknown',0,1,1795209716483,1795209716491,1795209716510);
INSERT INTO "operation" VALUES(5,'fa82d700-21f5-46a5-8962-1e87b2eaf8c1','instance.create','done','eba99f9b-e2de-4f93-8cee-bda85550eb4b','59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','db','e326477d-0873-4a5d-85e4-2f0130ccbdd1','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','472b66ed7cf01a812812db9c79ad1706','{"start":true}','',1.0,'made from localhost/lodge-base:1 in 0 ms
started at 127.96.1.2 in 0 ms
','','',0,1,1795209717133,1795209717145,1795209717147);
INSERT INTO "operation" VALUES(6,'5100c5bb-1bdc-4508-be6f-03e6621a6856','instance.stop','done','eba99f9b-e2de-4f93-8cee-bda85550eb4b','59e90d8e-c01e-4609-8f1f-7e51a1eb2fce','db','','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','c154638f43733dc3a48beff6ff9928f4','{"force":false,"timeout":10}','',1.0,'','','',0,1,1795209717252,1795209717253,1795209717256);
INSERT INTO "operation" VALUES(7,'e03e7cea-a8dd-415c-85ea-f821edac0c6c','instance.create','done','eba99f9b-e2de-4f93-8cee-bda85550eb4b','729ab1a6-d178-42d2-89c9-bc1b2500f961','gone','e326477d-0873-4a5d-85e4-2f0130ccbdd1','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','07593e5c057c9fd75e659b5096242d89','{"start":true}','',1.0,'made from localhost/lodge-base:1 in 0 ms
started at 127.96.1.3 in 0 ms
','','',0,1,1795209717264,1795209717265,1795209717267);
INSERT INTO "operation" VALUES(8,'abaf10bd-e4cf-4390-9ce9-c790f60a079e','instance.delete','done','eba99f9b-e2de-4f93-8cee-bda85550eb4b','729ab1a6-d178-42d2-89c9-bc1b2500f961','gone','','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','39eeb41f1ab35bfdf3ea0ef20366888d','{"force":true}','',1.0,'','','',0,1,1795209717372,1795209717373,1795209717374);
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
INSERT INTO "session" VALUES(X'BD36CF90551DB8BC5F43BA7B72045D876F2E6250BF2DC333A1CA751A305BCBE9','153fda63-881b-4951-9d50-e9170c0dc44b','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c',NULL,'127.0.0.1',1795209717064,1795814517064,1795209717064);
CREATE TABLE sign_in_attempt (          -- failures, for the rate limit
  subject      TEXT PRIMARY KEY,        -- 'user:<name>' or 'address:<ip>'
  window_at    INTEGER NOT NULL,        -- start of the counted minute
  failures     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tenant (                   -- who owns instances; has one network
  id         TEXT PRIMARY KEY,
  slug       TEXT NOT NULL UNIQUE,      -- DNS label, as in Lodge-Tenant
  name       TEXT NOT NULL,
  net_index  INTEGER NOT NULL UNIQUE,   -- number of its /24 in subnet_pool
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "tenant" VALUES('27ba2064-fc99-439c-afc3-22b0dfe77e8a','default','Default',0,1795209714531);
INSERT INTO "tenant" VALUES('eba99f9b-e2de-4f93-8cee-bda85550eb4b','acme','acme',1,1795209716503);
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
INSERT INTO "token" VALUES('0d5b2f30-c652-4653-b9a0-ae5f2fd9ff04',X'BA38D226B0E49458BECF30C4CDFEF8DFD700F926294BBC1E155324C4488AB11E','lg_LwKM3','first','e9c75c5f-201f-485e-85fd-7662f37ff395','27ba2064-fc99-439c-afc3-22b0dfe77e8a',1795209714531,NULL,1795209716362,NULL);
INSERT INTO "token" VALUES('a7995265-2fca-4004-9cfe-6c0b0409f5a0',X'EE79E4DAB28984F89565C73FD46829E871144CCD7993DE0CFCFF37679F4D1996','lg_iCdpX','ci','e9c75c5f-201f-485e-85fd-7662f37ff395','27ba2064-fc99-439c-afc3-22b0dfe77e8a',1795209717385,NULL,NULL,NULL);
INSERT INTO "token" VALUES('c37a7565-0569-4d8c-8651-3050cd71ab84',X'BE5BA6275304FE4F10D4F5C2133D2A4006041716AABE2107B6B3AAA84351C3C4','lg_YCX1j','tests','6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','eba99f9b-e2de-4f93-8cee-bda85550eb4b',1795209717109,NULL,1795209717123,NULL);
CREATE TABLE tombstone (                -- deleted instances: what turns up late under these ids is removed
  instance_id TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL,
  backend     TEXT NOT NULL,
  deleted_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "tombstone" VALUES('729ab1a6-d178-42d2-89c9-bc1b2500f961','eba99f9b-e2de-4f93-8cee-bda85550eb4b','docker',1795209717374);
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
INSERT INTO "usage_sample" VALUES('3f85d130-e0e1-45c8-9ceb-147d64b59dc6',1795209718206,18360,1.0,8388608,1836,1836,-1,1);
INSERT INTO "usage_sample" VALUES('8fbad40d-609c-4fda-99e9-a392080fb624',1795209718207,17200,1.0,8388608,1720,1720,-1,1);
CREATE TABLE user (                     -- people; written by lodge-api
  id            TEXT PRIMARY KEY,
  username      TEXT NOT NULL COLLATE NOCASE UNIQUE,
  password_hash TEXT NOT NULL,          -- Argon2id, encoded
  role          TEXT NOT NULL CHECK (role IN ('user', 'admin')),
  disabled      INTEGER NOT NULL DEFAULT 0, -- 1: may not sign in, tokens do not work
  created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "user" VALUES('6a63ec5f-a4ac-4a35-8bd6-b2f8da4e126c','user-acme','$argon2id$v=19$m=65536,t=2,p=1$fGi3Hv1qFHXqKIUgAEfhww$t6rhYwD1qz+DUGbOCHEAX/z2mKNSOsIwWumWJREOdAg','user',0,1795209716664);
INSERT INTO "user" VALUES('e9c75c5f-201f-485e-85fd-7662f37ff395','admin','$argon2id$v=19$m=65536,t=2,p=1$8qJbhF1vYXX+/UtKSjdWiA$/2v6x2Ww1EZDudq9QM0f+mpBMIOXcsNcZqkf2vxxIwg','admin',0,1795209714531);
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',15);
INSERT INTO "sqlite_sequence" VALUES('event',48);
INSERT INTO "sqlite_sequence" VALUES('operation',8);
INSERT INTO "sqlite_sequence" VALUES('instance',5);
COMMIT;
PRAGMA user_version = 1;
