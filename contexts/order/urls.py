from django.urls import path

from contexts.order.views import checkout, money, orders, payment_codes, returns

urlpatterns = [
    path("checkout", checkout.CheckoutView.as_view()),
    path("checkout/preview", checkout.PreviewView.as_view()),
    path("payments/webhooks/<slug:gateway>", checkout.WebhookView.as_view()),
    path("payments/<uuid:payment_id>/qr.png", payment_codes.QRCodePNGView.as_view()),
    path("payments/<uuid:payment_id>/qr.svg", payment_codes.QRCodeSVGView.as_view()),
    path("payments/<uuid:payment_id>/boleto", payment_codes.BoletoView.as_view()),
    path("orders", orders.OrdersView.as_view()),
    path("orders/<uuid:order_id>", orders.OrderView.as_view()),
    path("orders/<uuid:order_id>/tracking", orders.TrackingView.as_view()),
    path("orders/<uuid:order_id>/cancel", orders.CancelView.as_view()),
    path("orders/<uuid:order_id>/payments", money.PaymentsView.as_view()),
    path("orders/<uuid:order_id>/refunds", money.RefundsView.as_view()),
    path("orders/<uuid:order_id>/instalment-options", money.OfferView.as_view()),
    path("orders/<uuid:order_id>/returns", returns.ReturnsView.as_view()),
    path("orders/<uuid:order_id>/shipments", orders.ShipmentsView.as_view()),
    path("shipments/<uuid:shipment_id>/tracking-events", orders.TrackingEventsView.as_view()),
    path("shipping-methods/<slug:code>", orders.ShippingMethodView.as_view()),
    path("staff/orders", orders.StaffOrdersView.as_view()),
    path("staff/sales", orders.SalesView.as_view()),
]
