"""One PostgreSQL role and schema per context: configuration, embedded server, bootstrap, routing and checks."""
