
import subprocess, sys, time
import pytest
from contexts.notification import usecases
from contexts.notification.models import Message
from contexts.notification.tasks import deliver_due
from contexts.notification.domain import Channel
from tests.contexts.notification.factories import NOW, MessageFactory
from tests.contexts.notification.conftest import use_smtp
SINK = """
import asyncio, sys
from aiosmtpd.smtp import SMTP
class H:
    n=0
    async def handle_DATA(self, s, se, e):
        H.n+=1
        return "250 OK"
async def main():
    loop=asyncio.get_running_loop()
    server=await loop.create_server(lambda: SMTP(H()), "127.0.0.1", 18025)
    await asyncio.sleep(600)
asyncio.run(main())
"""
@pytest.mark.django_db(databases=["notification"], transaction=True)
def test_bench(templates, settings):
    sink = subprocess.Popen([sys.executable, "-c", SINK], stderr=subprocess.DEVNULL)
    time.sleep(2)
    try:
        use_smtp(settings, 18025)
        for _ in range(1):
            Message.objects.bulk_create(MessageFactory.build_batch(3000))
            t=time.monotonic(); c=time.process_time()
            n=deliver_due()
            d=time.monotonic()-t
            print(n, "mails", round(n/d), "mails/s", round((time.process_time()-c)/n*1000,2), "ms cpu each")
            assert Message.objects.exclude(status="sent").count()==0 or n<3000
            while deliver_due(): pass
        import cProfile, pstats
        Message.objects.bulk_create(MessageFactory.build_batch(1000))
        p=cProfile.Profile(); p.enable(); deliver_due(); p.disable()
        pstats.Stats(p).sort_stats("cumtime").print_stats(60)
    finally:
        sink.kill(); sink.wait()
