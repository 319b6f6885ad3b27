"""Addresses of identity under /api/v1/."""

from django.urls import path

from contexts.identity.views import me, places

urlpatterns = [
    path("me", me.ProfileView.as_view()),
    path("me/addresses", me.AddressesView.as_view()),
    path("me/addresses/<uuid:address_id>", me.AddressView.as_view()),
    path("me/cards", me.CardsView.as_view()),
    path("me/cards/<uuid:card_id>", me.CardView.as_view()),
    path("me/cards/<uuid:card_id>/default", me.DefaultCardView.as_view()),
    path("me/sessions", me.SessionsView.as_view()),
    path("me/sessions/<uuid:session_id>", me.SessionView.as_view()),
    path("cep/<str:cep>", places.CepView.as_view()),
]
