"""Routes of cart, under ``/api/v1/``."""

from django.urls import path

from contexts.cart import views

urlpatterns = [
    path("carts", views.Carts.as_view()),
    path("carts/<uuid:cart_id>", views.CartDetail.as_view()),
    path("carts/<uuid:cart_id>/history", views.CartHistory.as_view()),
    path("carts/<uuid:cart_id>/lines", views.CartLines.as_view()),
    path("carts/<uuid:cart_id>/lines/<uuid:variant_id>", views.CartLine.as_view()),
    path("carts/<uuid:cart_id>/accept-prices", views.CartPriceNotice.as_view()),
    path("carts/<uuid:cart_id>/coupon", views.CartCoupon.as_view()),
    path("carts/<uuid:cart_id>/contact", views.CartContact.as_view()),
    path("carts/<uuid:cart_id>/claim", views.CartClaim.as_view()),
    path("carts/<uuid:cart_id>/merge", views.CartMerge.as_view()),
    path("cart-recoveries", views.CartRecoveries.as_view()),
]
