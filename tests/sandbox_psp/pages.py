"""The pages that people see: the control page and the 3-D Secure page. Plain forms, no script, no foreign files."""

from collections.abc import Sequence
from html import escape
from typing import Any

from tests.sandbox_psp.messages import BehaviourInput, Charge
from tests.sandbox_psp.wsgi import Response

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #2563eb }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 1.5rem }
h1 { font-size: 1.3rem; margin: 0 0 .25rem } h2 { font-size: 1rem; margin: 2rem 0 .5rem }
p { margin: .25rem 0 1rem; opacity: .75 }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .5rem; text-align: left; vertical-align: top }
th { font-weight: 600; opacity: .7; white-space: nowrap }
td.money { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
code { font-size: .82rem; word-break: break-all }
form { display: inline-flex; gap: .3rem; margin: 0 .3rem .3rem 0; flex-wrap: wrap }
button, input, select { font: inherit; font-size: .85rem; padding: .2rem .55rem; border: 1px solid var(--line);
  border-radius: 6px; background: var(--soft); color: inherit }
button { cursor: pointer } button.main { background: var(--accent); border-color: var(--accent); color: #fff }
input[type=number] { width: 6rem }
.tag { border-radius: 99px; padding: .05rem .6rem; background: var(--soft); border: 1px solid var(--line);
  white-space: nowrap; font-size: .82rem }
.captured, .delivered { background: #16a34a33 } .declined, .failed, .expired { background: #dc262633 }
.pending, .requires_action { background: #d9770633 }
details summary { cursor: pointer; font-size: .85rem; opacity: .75 }
.card { max-width: 26rem; margin: 10vh auto; border: 1px solid var(--line); border-radius: 12px; padding: 1.5rem }
.wide { overflow-x: auto }
"""
METHODS = {"card": "Cartão", "debit_card": "Débito", "pix": "Pix", "boleto": "Boleto", "voucher": "Vale"}
STATUSES = {
    "authorized": "autorizada",
    "captured": "capturada",
    "pending": "aguardando",
    "declined": "recusada",
    "requires_action": "exige autenticação",
    "voided": "cancelada",
    "expired": "expirada",
    "refunded": "estornada",
    "delivered": "entregue",
    "failed": "falhou",
}
KINDS = {
    "decline": "recusar",
    "approve": "aprovar",
    "delay": "atrasar",
    "timeout_after": "cobrar e não responder",
    "timeout_before": "não responder nem cobrar",
    "error_after": "cobrar e responder 500",
    "error_before": "responder 500 sem cobrar",
}
OPERATIONS = {"charge": "cobranças", "refund": "estornos"}
EVENTS = {f"charge.{name}": f"charge.{name}" for name in ("captured", "expired", "declined", "refunded", "voided")}


def control(
    charges: Sequence[Charge],
    webhooks: Sequence[dict[str, Any]],
    behaviours: Sequence[BehaviourInput],
    totals: dict[str, object],
) -> Response:
    """The control page: the latest charges and webhooks, and what can be done to them."""
    rows = "".join(_charge_row(charge) for charge in charges)
    sent = "".join(_webhook_row(webhook) for webhook in webhooks)
    summary = f"{totals['count']} cobranças · capturado R$ {totals['captured']} · estornado R$ {totals['refunded']}"
    return _html(
        "Sandbox PSP",
        f"""<h1>Sandbox PSP</h1><p>{escape(summary)}. Nenhum dinheiro de verdade passa por aqui.</p>
{_behaviour_form(behaviours)}
<h2>Cobranças recentes</h2>{_form("/control/pay-all-pending", _button("Pagar todas as pendentes", main=True))}
<div class="wide"><table><thead><tr><th>Criada</th><th>Cobrança</th><th>Meio</th><th>Valor</th><th>Capturado</th>
<th>Estornado</th><th>Estado</th><th>Ações</th></tr></thead><tbody>{rows or _empty(8)}</tbody></table></div>
<h2>Webhooks recentes</h2><div class="wide"><table><thead><tr><th>Criado</th><th>Evento</th><th>Cobrança</th>
<th>Destino</th><th>Estado</th><th>Tentativas</th></tr></thead><tbody>{sent or _empty(6)}</tbody></table></div>""",
    )


def three_ds(charge: Charge) -> Response:
    """The page where a bank would ask the card holder; here the tester decides."""
    if charge.status != "requires_action":
        state = STATUSES[charge.status]
        return _html("Autenticação", f'<div class="card"><h1>Autenticação concluída</h1><p>Cobrança {state}.</p></div>')
    choices = _form(f"/3ds/{charge.id}/approve", _button("Aprovar", main=True))
    choices += _form(f"/3ds/{charge.id}/fail", _button("Recusar"))
    return _html(
        "Autenticação",
        f"""<div class="card"><h1>Confirme sua compra</h1>
<p>Seu banco quer ter certeza de que é você. Pagamento de <strong>{escape(charge.currency)}
{escape(charge.amount)}</strong>, cartão final {escape(charge.client_data.get("last4", ""))}.</p>{choices}</div>""",
    )


def _charge_row(charge: Charge) -> str:
    base = f"/control/charges/{charge.id}"
    actions = []
    if charge.status in ("pending", "requires_action"):
        actions.append(_form(f"{base}/pay", _button("Pagar", main=True)))
    if charge.status in ("pending", "requires_action", "authorized"):
        actions.append(_form(f"{base}/expire", _button("Expirar")))
    if charge.status in ("expired", "voided"):
        actions.append(_form(f"{base}/pay", _hidden("force", "true") + _button("Pagar mesmo assim")))
    if charge.status == "captured":
        amount = '<input name="amount" placeholder="restante" size="8" aria-label="Valor do estorno">'
        actions.append(_form(f"{base}/refund", amount + _button("Estornar")))
    data = "".join(
        f"<div><b>{escape(key)}</b> <code>{escape(text)}</code></div>" for key, text in charge.client_data.items()
    )
    more = f"<details><summary>dados e webhooks</summary>{data}{_webhook_form(base)}</details>"
    state = f"{_tag(charge.status)} {escape(charge.decline_code)}"
    return (
        f"<tr><td>{_time(charge.created_at)}</td><td><code>{charge.id}<br>{escape(charge.reference)}</code></td>"
        f"<td>{METHODS[charge.method]}</td><td class=money>{charge.currency} {charge.amount}</td>"
        f"<td class=money>{charge.captured}</td><td class=money>{charge.refunded}</td>"
        f"<td>{state}</td><td>{''.join(actions)}{more}</td></tr>"
    )


def _webhook_form(base: str) -> str:
    fields = (
        _select("type", {"": "toda a história", **EVENTS}, "Evento")
        + '<input type="number" name="times" value="1" min="1" max="1000" aria-label="Vezes" title="vezes">'
        + '<input type="number" name="delay_ms" value="0" min="0" aria-label="Atraso em ms" title="atraso em ms">'
        + _select("bad_signature", {"false": "assinatura certa", "true": "assinatura errada"}, "Assinatura")
        + _select("reversed", {"false": "em ordem", "true": "fora de ordem"}, "Ordem")
        + _button("Enviar webhook")
    )
    return _form(f"{base}/webhooks", fields)


def _webhook_row(webhook: dict[str, Any]) -> str:
    attempts = "<br>".join(
        f"{_time(item['at'])} {item['http_status'] or escape(item['error'])} ({item['milliseconds']} ms)"
        for item in webhook["deliveries"][-3:]
    )
    bad = " · assinatura errada" if webhook["bad_signature"] else ""
    return (
        f"<tr><td>{_time(webhook['created_at'])}</td><td>{escape(webhook['type'])}{bad}<br>"
        f"<code>{webhook['event_id']}</code></td><td><code>{webhook['charge_id']}</code></td>"
        f"<td><code>{escape(webhook['url'])}</code></td><td>{_tag(webhook['state'])}</td><td>{attempts}</td></tr>"
    )


def _behaviour_form(waiting: Sequence[BehaviourInput]) -> str:
    fields = (
        "Próximas "
        + '<input type="number" name="count" value="1" min="1" aria-label="Quantas">'
        + _select("operation", OPERATIONS, "Operação")
        + _select("kind", KINDS, "Comportamento")
        + '<input name="code" value="do_not_honor" aria-label="Código da recusa" title="código da recusa">'
        + '<input type="number" name="delay_ms" value="0" min="0" aria-label="Atraso em ms" title="atraso em ms">'
        + _button("Programar", main=True)
    )
    orders = ", ".join(f"{item.count} {OPERATIONS[item.operation]}: {KINDS[item.kind]}" for item in waiting)
    clear = _form("/control/behaviour/clear", _button("Limpar")) if waiting else ""
    queue = f"<p>Na fila: {escape(orders or 'nada')}.</p>{clear}"
    return f"<h2>Comportamento</h2>{_form('/control/behaviour', fields)}{queue}"


def _html(title: str, body: str) -> Response:
    page = (
        f'<!doctype html><html lang="pt-BR"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>{body}</body></html>'
    )
    return Response(200, page.encode(), "text/html; charset=utf-8")


def _form(action: str, fields: str) -> str:
    return f'<form method="post" action="{action}">{fields}</form>'


def _button(text: str, *, main: bool = False) -> str:
    return f"<button{' class=main' if main else ''}>{text}</button>"


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{value}">'


def _select(name: str, options: dict[str, str], label: str) -> str:
    items = "".join(f'<option value="{value}">{text}</option>' for value, text in options.items())
    return f'<select name="{name}" aria-label="{label}">{items}</select>'


def _tag(status: str) -> str:
    return f'<span class="tag {status}">{STATUSES.get(status, status)}</span>'


def _time(timestamp: str) -> str:
    return f'<time datetime="{timestamp}" title="{timestamp}">{timestamp[11:19]}</time>'


def _empty(columns: int) -> str:
    return f'<tr><td colspan="{columns}">nada ainda</td></tr>'
