from django.urls import path

from contexts.promotion import views

urlpatterns = [
    path("campaigns", views.CampaignsView.as_view()),
    path("campaigns/<uuid:campaign_id>", views.CampaignView.as_view()),
    path("campaigns/<uuid:campaign_id>/discounts", views.DiscountsView.as_view()),
    path("campaigns/<uuid:campaign_id>/discounts/<uuid:discount_id>", views.DiscountView.as_view()),
    path("campaigns/<uuid:campaign_id>/coupons/bulk", views.CouponBatchesView.as_view()),
    path("coupons", views.CouponsView.as_view()),
    path("coupons/<str:code>", views.CouponView.as_view()),
    path("coupons/<str:code>/usage", views.CouponUsageView.as_view()),
]
