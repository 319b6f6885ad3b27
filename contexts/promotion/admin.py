"""The back office of promotion."""

import csv
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import StackedInline
from unfold.decorators import action

from contexts.promotion.domain import normalised_code
from contexts.promotion.models import Campaign, Coupon, CouponBatch, Discount, Redemption
from contexts.promotion.usecases.campaigns import MAXIMUM_DISCOUNTS
from ecommerce.admin import ContextAdmin, LockingAdmin, changed_columns
from ecommerce.errors import DomainError
from ecommerce.money import Money


class GuardedForm(ModelForm):  # type: ignore[type-arg]
    """Shows what the model's ``guard`` or a constraint refuses as an error of the form, or of ``guarded_field``."""

    guarded_field: ClassVar[str] = NON_FIELD_ERRORS

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        refusals: list[Any] = list(self.errors.pop(NON_FIELD_ERRORS, []))
        if not self.errors and not refusals:
            refusals = self._refusals()
        for refusal in refusals:
            self.add_error(self.guarded_field, refusal)

    def _refusals(self) -> list[str]:
        try:
            self.instance.guard()
        except DomainError as error:
            return [error.detail]
        return []


class CouponForm(GuardedForm):
    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        return normalised_code(code) or code


class DiscountForm(GuardedForm):
    guarded_field = "kind"
    """Unfold shows no errors of a whole inline form."""


class DiscountInline(StackedInline):
    model = Discount
    form = DiscountForm
    extra = 0
    max_num = MAXIMUM_DISCOUNTS
    fields: ClassVar[list[Any]] = [
        ("label", "kind"),
        ("percent", "amount"),
        ("buy_quantity", "get_quantity"),
        "minimum_subtotal",
        ("category_ids", "product_ids"),
        ("priority", "exclusive", "stackable"),
        ("first_purchase_only", "requires_coupon"),
    ]


class VersionedAdmin(LockingAdmin):
    """What redemptions change is not in the form; each change is a new version."""

    def save_model(self, request: HttpRequest, obj: Any, form: "ModelForm[Any]", change: bool) -> None:
        if change:
            obj.save_changed(changed_columns(form))
        else:
            obj.save(force_insert=True)


@admin.register(Campaign)
class CampaignAdmin(VersionedAdmin):
    form = GuardedForm
    inlines: ClassVar[list[Any]] = [DiscountInline]
    list_display: ClassVar[list[str]] = ["name", "active", "starts_at", "ends_at", "priority", "uses", "budget_state"]
    list_filter: ClassVar[list[str]] = ["active"]
    search_fields: ClassVar[list[str]] = ["name"]
    fields: ClassVar[list[Any]] = [
        ("name", "active"),
        ("starts_at", "ends_at"),
        "priority",
        ("usage_limit", "uses"),
        ("budget", "budget_state"),
    ]
    readonly_fields: ClassVar[list[str]] = ["uses", "budget_state"]

    @admin.display(description="usos")
    def uses(self, campaign: Campaign) -> str:
        return _used(campaign.usage_count, campaign.usage_limit)

    @admin.display(description="orçamento usado")
    def budget_state(self, campaign: Campaign) -> str:
        if campaign.budget is None:
            return "–"
        return f"{Money(campaign.budget_used, campaign.currency)} / {Money(campaign.budget, campaign.currency)}"


class RequiresCoupon:
    """Offers only the discounts that a coupon can open."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "discount":
            kwargs["queryset"] = Discount.objects.filter(requires_coupon=True).order_by("-id")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]


@admin.register(Coupon)
class CouponAdmin(RequiresCoupon, VersionedAdmin):
    form = CouponForm
    list_display: ClassVar[list[str]] = ["code", "discount", "active", "uses", "confirmed_count", "ends_at"]
    list_select_related: ClassVar[list[str]] = ["discount"]
    list_filter: ClassVar[list[str]] = ["active"]
    search_fields: ClassVar[list[str]] = ["code__istartswith"]
    fields: ClassVar[list[Any]] = [
        ("code", "discount", "active"),
        ("starts_at", "ends_at"),
        ("usage_limit", "per_customer_limit"),
        ("uses", "confirmed_count", "redemptions"),
    ]
    readonly_fields: ClassVar[list[str]] = ["uses", "confirmed_count", "redemptions"]

    def get_readonly_fields(self, request: HttpRequest, obj: Coupon | None = None) -> list[str]:
        return [*self.readonly_fields, *(["code", "discount"] if obj else [])]

    @admin.display(description="usos")
    def uses(self, coupon: Coupon) -> str:
        return _used(coupon.usage_count, coupon.usage_limit)

    @admin.display(description="resgates")
    def redemptions(self, coupon: Coupon) -> str:
        return _link("admin:promotion_redemption_changelist", "coupon__id__exact", coupon.id, "Ver pedidos")


@admin.register(CouponBatch)
class CouponBatchAdmin(RequiresCoupon, ContextAdmin):
    """Adding a batch generates its coupons."""

    form = GuardedForm
    list_display: ClassVar[list[str]] = ["prefix", "size", "discount", "usage_limit", "ends_at", "created_at"]
    list_select_related: ClassVar[list[str]] = ["discount"]
    fields: ClassVar[list[Any]] = [
        "discount",
        ("prefix", "size"),
        ("usage_limit", "per_customer_limit"),
        ("starts_at", "ends_at"),
    ]
    actions_detail: ClassVar[list[str]] = ["download_codes"]

    def has_change_permission(self, request: HttpRequest, obj: CouponBatch | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: CouponBatch | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: CouponBatch, form: "ModelForm[Any]", change: bool) -> None:
        obj.save(force_insert=True)
        codes = obj.generate()
        self.message_user(request, f"{len(codes)} cupons gerados.")

    @action(description="Baixar códigos (CSV)", url_path="codes", permissions=["view"])
    def download_codes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="cupons-{UUID(object_id)}.csv"'
        rows = Coupon.objects.filter(batch_id=UUID(object_id)).order_by("code").values_list("code", "usage_count")
        writer = csv.writer(response)
        writer.writerow(["codigo", "usos"])
        writer.writerows(rows)
        return response


@admin.register(Redemption)
class RedemptionAdmin(ContextAdmin):
    list_display: ClassVar[list[str]] = [
        "id",
        "status",
        "coupon",
        "total",
        "reserved_at",
        "confirmed_at",
        "released_at",
    ]
    list_select_related: ClassVar[list[str]] = ["coupon"]
    list_filter: ClassVar[list[str]] = ["status"]
    search_fields: ClassVar[list[str]] = ["id__exact", "coupon__code__istartswith"]

    @admin.display(description="desconto")
    def total(self, redemption: Redemption) -> str:
        amounts = redemption.amounts
        return f"{amounts['total']} {amounts['currency']}" if amounts else "–"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Redemption | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Redemption | None = None) -> bool:
        return False


def _used(count: int, limit: int | None) -> str:
    return f"{count} / {'∞' if limit is None else limit}"


def _link(view: str, parameter: str, value: UUID, text: str) -> str:
    return format_html('<a href="{}?{}={}">{}</a>', reverse(view), parameter, value, text)
