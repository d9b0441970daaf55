"""The local Functions host, in three processes: the host, its Durable Task backend and a language worker.

Host: `front`, `management` and `eventgrid` answer HTTP, `timers` fires schedules, `dispatcher` moves work items,
`supervisor` keeps a worker alive and `worker_connection` speaks with it. Backend: `backend` serves `engine`. Worker: `worker`
serves `runtime`, which is Microsoft's. `wire` has the messages between host and worker.
"""
