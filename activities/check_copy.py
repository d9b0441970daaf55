"""The last look before a generation is put in place: is all there, a whole database, and is the source what it was?"""

from activities.binding import answering
from shared.clients import Clients
from shared.copying.plans import missing, require_plan
from shared.copying.wholeness import refuse_half_published
from shared.errors import Code, Conflict
from shared.ncbi.errors import changed
from shared.runs.prepare import CheckCopy, Checked
from shared.storage.staging import Staging


@answering(Checked)
async def check_copy(request: CheckCopy, clients: Clients) -> Checked:
    """Compare source, plan and storage. Reads only.

    Raises:
        TransientFailure: source or storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    plan = await require_plan(container, request.db, request.source_version, request.digest)
    now = {file.leaf: (file.size_bytes, file.etag) for file in await clients.bucket.files(plan.source_version, plan.db)}
    planned = {file.leaf: (file.size_bytes, file.etag) for file in plan.files}
    if now != planned:
        differing = sorted(leaf for leaf in now.keys() | planned.keys() if now.get(leaf) != planned.get(leaf))
        raise changed(differing[0])
    absent = await missing(plan, Staging(container, plan.db, plan.source_version))
    if absent:
        message = (
            f"'{absent[0].leaf}' and {len(absent) - 1} more files were removed or changed in storage meanwhile. Start again."
        )
        raise Conflict(Code.DATABASE_CHANGED, message, target=absent[0].leaf)
    await refuse_half_published(plan, container, clients.bucket)
    return Checked()
