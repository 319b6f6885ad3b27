"""Templates in the admin: edit, look, try, publish, take back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from contexts.notification import queries, usecases
from contexts.notification.admin.pages import back_to, preview_page
from contexts.notification.models import Template, TemplateVersion
from ecommerce.admin import ContextAdmin
from ecommerce.clock import now
from ecommerce.errors import DomainError

TEXTS = ("subject", "body_text", "body_html")


class TemplateForm(forms.ModelForm[Template]):
    """Starts from the published version. Saving a changed text adds a version; it is sent only once published."""

    subject = forms.CharField(label="Assunto", max_length=300, required=False, widget=UnfoldAdminTextInputWidget)
    body_text = forms.CharField(label="Texto", strip=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 16}))
    body_html = forms.CharField(
        label="HTML", strip=False, required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 24})
    )
    publish_now = forms.BooleanField(label="Publicar ao salvar", required=False, widget=UnfoldBooleanSwitchWidget)

    class Meta:
        model = Template
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = self.instance.published
        for name in TEXTS if version else ():
            self.fields[name].initial = getattr(version, name)

    def clean(self) -> dict[str, Any]:
        data = {name: value.replace("\r\n", "\n") for name, value in self.cleaned_data.items() if name in TEXTS}
        if len(data) < len(TEXTS):
            return self.cleaned_data
        try:
            rendered = usecases.preview(key=self.instance.key, locale=self.instance.locale, **data)
        except DomainError as broken:
            raise forms.ValidationError(broken.detail) from broken
        if rendered.unknown and self.cleaned_data.get("publish_now"):
            raise forms.ValidationError(f"Variáveis desconhecidas: {', '.join(rendered.unknown)}.")
        return self.cleaned_data | data


class VersionInline(TabularInline):
    model = TemplateVersion
    fields = ("number", "subject", "created_by", "created_at")
    readonly_fields = fields
    extra = 0
    can_delete = False
    per_page = 20

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PublishDialog(BaseDialogForm):
    number = forms.IntegerField(label="Versão", min_value=1, widget=UnfoldAdminIntegerFieldWidget)


class TestDialog(BaseDialogForm):
    recipient = forms.CharField(label="E-mail ou telefone", max_length=320, widget=UnfoldAdminTextInputWidget)
    number = forms.IntegerField(
        label="Versão (vazio: a publicada)", min_value=1, required=False, widget=UnfoldAdminIntegerFieldWidget
    )


@admin.register(Template)
class TemplateAdmin(ContextAdmin):
    form = TemplateForm
    list_display = ("key", "channel", "locale", "published_number", "updated_at")
    list_filter = ("key", "channel", "locale")
    list_select_related = ("published",)
    inlines = (VersionInline,)
    fieldsets = (
        (None, {"fields": (("key", "channel", "locale"), "published_number")}),
        ("Conteúdo", {"fields": (*TEXTS, "publish_now")}),
    )
    readonly_fields = ("key", "channel", "locale", "published_number")
    actions_detail = ("look", "try_out", "publish", "roll_back")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("published")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Template | None = None) -> bool:
        return False

    @display(description="versão publicada")
    def published_number(self, template: Template) -> str:
        return str(template.published or "–")

    def save_model(self, request: HttpRequest, obj: Template, form: forms.ModelForm[Template], change: bool) -> None:
        data = form.cleaned_data
        template = queries.template_by_id(obj.pk, lock=True)
        version = template.published
        if version is None or any(getattr(version, name) != data[name] for name in TEXTS):
            author = request.user.pk
            texts = {name: data[name] for name in TEXTS}
            version = template.add_version(**texts, created_by=author, now=now())
        if data["publish_now"]:
            template.publish(version, now=now())

    @action(description="Pré-visualizar", permissions=["view"], url_path="look", icon="visibility")
    def look(self, request: HttpRequest, object_id: str) -> HttpResponse:
        template = queries.template_by_id(UUID(object_id))
        given = request.GET.get("number", "")
        context: dict[str, Any] = {"versions": queries.template_versions(template.id)}
        try:
            version = usecases.chosen_version(template, number=int(given) if given.isdecimal() else None)
            rendered = usecases.preview_version(template, version=version)
        except DomainError as problem:
            context |= {"broken": problem.detail}
        else:
            context |= {
                "subject": rendered.subject,
                "text": rendered.text,
                "html": rendered.html,
                "unknown": rendered.unknown,
                "number": version.number,
            }
        published = template.published.number if template.published else None
        return preview_page(self, request, title=str(template), published=published, **context)

    @action(
        description="Enviar teste",
        permissions=["change"],
        url_path="try",
        icon="send",
        dialog={
            "title": "Enviar teste",
            "description": "Com dados de exemplo; o assunto avisa que é um teste.",
            "form_class": TestDialog,
            "form_submit_text": "Enviar",
        },
    )
    def try_out(self, request: HttpRequest, form: TestDialog, object_id: str) -> HttpResponse:
        values = {"number": form.cleaned_data["number"], "recipient": form.cleaned_data["recipient"]}
        return self._run(request, object_id, "O teste está na fila de envio.", usecases.send_test, **values)

    @action(
        description="Publicar",
        permissions=["change"],
        url_path="publish",
        icon="publish",
        dialog={
            "title": "Publicar uma versão",
            "description": "Mensagens enviadas a partir de agora usam esta versão.",
            "form_class": PublishDialog,
            "form_submit_text": "Publicar",
        },
    )
    def publish(self, request: HttpRequest, form: PublishDialog, object_id: str) -> HttpResponse:
        number = form.cleaned_data["number"]
        return self._run(request, object_id, f"v{number} publicada.", usecases.publish_version, number=number)

    @action(
        description="Voltar à versão anterior",
        permissions=["change"],
        url_path="rollback",
        icon="undo",
        dialog={
            "title": "Voltar à versão anterior",
            "description": "A versão antes da publicada volta a ser enviada.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Voltar",
        },
    )
    def roll_back(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._run(request, object_id, "A versão anterior foi publicada.", usecases.roll_back)

    def _run(self, request: HttpRequest, object_id: str, done: str, use_case: Any, **values: Any) -> HttpResponse:
        """Call one use case for this template and say what came of it."""
        try:
            use_case(template_id=UUID(object_id), now=now(), **values)
        except DomainError as refused:
            self.message_user(request, str(refused), messages.ERROR)
        else:
            self.message_user(request, done, messages.SUCCESS)
        return back_to(request, Template, object_id)
