"""What the server announces, it does: pytest-lsp's client, whose types refuse what
the protocol does not have, asks for each announced feature."""

import os
import pathlib

import pytest
import pytest_lsp
from lsprotocol import types as lsp
from pytest_lsp import ClientServerConfig, LanguageClient

ROOT = pathlib.Path(os.environ["TOWLINE_TEST_WORKSPACE"]).resolve()
THERE = pathlib.Path(os.environ["TOWLINE_TEST_THERE"]).resolve()
NOTES = (ROOT / "notes.txt").as_uri()
CONFIG = (ROOT / "towline.yaml").as_uri()
CONFIG_TEXT = f"target: local:{THERE}\nsync:\n  - from: .\n    to: /app\n"

# The contract with editors: every one of these is announced.
COMMANDS = """
up down status restart forward.list forward.add forward.remove sync.list sync.pause
sync.resume sync.wait sync.why sync.conflicts sync.resolve sync.undo sync.ignore logs
exec contexts namespaces list file.list file.stat file.read file.write file.delete
file.rename file.mkdir ports.detect env difference open diff shell
""".split()

INITIALIZED: dict[str, lsp.InitializeResult] = {}


@pytest_lsp.fixture(config=ClientServerConfig(server_command=["towline", "lsp"]))
async def client(lsp_client: LanguageClient):
    capabilities = pytest_lsp.client_capabilities("visual-studio-code")
    params = lsp.InitializeParams(
        capabilities=capabilities,
        process_id=os.getpid(),
        root_uri=ROOT.as_uri(),
        workspace_folders=[lsp.WorkspaceFolder(uri=ROOT.as_uri(), name=ROOT.name)],
    )
    result = await lsp_client.initialize_session(params)
    INITIALIZED["result"] = result

    @lsp_client.feature("towline/status")
    def status(_params):
        """Known, so that it is no error."""

    @lsp_client.feature(lsp.WORKSPACE_CODE_LENS_REFRESH)
    def refresh(_params):
        """As announced; nothing is shown here."""

    yield
    await lsp_client.shutdown_session()


def announced() -> lsp.ServerCapabilities:
    return INITIALIZED["result"].capabilities


def opened(client: LanguageClient, uri: str, text: str, language: str = "text"):
    item = lsp.TextDocumentItem(uri=uri, language_id=language, version=1, text=text)
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=item))
    return lsp.TextDocumentIdentifier(uri=uri)


@pytest.mark.asyncio
async def test_who_it_is(client: LanguageClient):
    info = INITIALIZED["result"].server_info
    assert info is not None
    assert info.name == "towline"
    assert info.version


@pytest.mark.asyncio
async def test_every_command_of_the_contract_is_announced(client: LanguageClient):
    provider = announced().execute_command_provider
    assert provider is not None
    missing = {f"towline.{name}" for name in COMMANDS} - set(provider.commands)
    assert not missing
    assert all(name.startswith("towline.") for name in provider.commands)


@pytest.mark.asyncio
async def test_text_is_synced_by_increments_and_saves_are_told(client: LanguageClient):
    sync = announced().text_document_sync
    assert isinstance(sync, lsp.TextDocumentSyncOptions)
    assert sync.open_close
    assert sync.change == lsp.TextDocumentSyncKind.Incremental
    assert sync.save


@pytest.mark.asyncio
async def test_each_announced_feature_answers(client: LanguageClient):
    can = announced()
    config = opened(client, CONFIG, CONFIG_TEXT, "yaml")
    position = lsp.Position(line=0, character=3)
    whole = lsp.Range(start=lsp.Position(0, 0), end=lsp.Position(3, 0))
    asked = 0
    if can.hover_provider:
        await client.text_document_hover_async(lsp.HoverParams(config, position))
        asked += 1
    if can.completion_provider:
        await client.text_document_completion_async(lsp.CompletionParams(config, position))
        asked += 1
    if can.definition_provider:
        await client.text_document_definition_async(lsp.DefinitionParams(config, position))
        asked += 1
    if can.document_link_provider:
        await client.text_document_document_link_async(lsp.DocumentLinkParams(config))
        asked += 1
    if can.code_lens_provider:
        await client.text_document_code_lens_async(lsp.CodeLensParams(config))
        asked += 1
    if can.code_action_provider:
        params = lsp.CodeActionParams(config, whole, lsp.CodeActionContext(diagnostics=[]))
        await client.text_document_code_action_async(params)
        asked += 1
    assert asked >= 2, "it announces hardly anything"


@pytest.mark.asyncio
async def test_what_needs_an_up_says_so(client: LanguageClient):
    for name in ("restart", "sync.pause", "file.list", "exec"):
        argument = {"path": "/", "argv": ["true"]}
        params = lsp.ExecuteCommandParams(command=f"towline.{name}", arguments=[argument])
        with pytest.raises(Exception) as refused:
            await client.workspace_execute_command_async(params)
        assert refused.value.data["code"] == "not_up", name
        assert refused.value.data["help"], name


@pytest.mark.asyncio
async def test_wrong_arguments_are_refused_and_told(client: LanguageClient):
    for name, arguments in {
        "sync.resolve": [{"path": 7, "keep": "local"}],
        "sync.why": [{}],
        "forward.add": ["8080"],
        "up": [{"sync": "not a list"}],
        "no-such-command": [],
    }.items():
        params = lsp.ExecuteCommandParams(command=f"towline.{name}", arguments=arguments)
        with pytest.raises(Exception) as refused:
            await client.workspace_execute_command_async(params)
        assert str(refused.value), name


@pytest.mark.asyncio
async def test_a_mistake_in_the_configuration_is_a_diagnostic(client: LanguageClient):
    text = "target: nonsense:x\n"
    (ROOT / "towline.yaml").write_text(text)
    try:
        opened(client, CONFIG, text, "yaml")
        while not client.diagnostics.get(CONFIG):
            await client.wait_for_notification(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        found = client.diagnostics[CONFIG][0]
        assert found.source == "towline"
        assert found.code == "config"
        assert found.range.start.line == 0
    finally:
        (ROOT / "towline.yaml").unlink()


@pytest.mark.asyncio
async def test_up_and_down(client: LanguageClient):
    argument = {"target": f"local:{THERE}", "sync": [".:/app"]}
    up = lsp.ExecuteCommandParams(command="towline.up", arguments=[argument])
    status = await client.workspace_execute_command_async(up)
    # The client makes objects of what the protocol has no type for.
    readiness = status["readiness"] if isinstance(status, dict) else status.readiness
    state = readiness["state"] if isinstance(readiness, dict) else readiness.state
    assert state == "ready"
    assert (THERE / "app/notes.txt").read_text() == (ROOT / "notes.txt").read_text()
    down = lsp.ExecuteCommandParams(command="towline.down", arguments=[])
    await client.workspace_execute_command_async(down)
