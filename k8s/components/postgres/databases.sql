-- Run once, when the data folder is made. Each service has a database of its own.
CREATE DATABASE auth;
CREATE DATABASE profile;
CREATE DATABASE database;
CREATE DATABASE audit;
