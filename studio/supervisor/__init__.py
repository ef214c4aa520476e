"""`manage.py up` and `down`: one supervisor that starts, watches and stops every process.

In the manner of uvicorn's Multiprocess: signal handlers only queue, a tick acts.
"""
