"""Routes of notification, under ``/api/v1/``."""

from django.urls import path

from contexts.notification.views import recipients, staff

TEMPLATE = "message-templates/<uuid:template_id>"

urlpatterns = [
    path("me/notification-preferences", recipients.MyPreferences.as_view()),
    path("me/push-subscriptions", recipients.MyPushSubscriptions.as_view()),
    path("unsubscribe/<str:signed>", recipients.Unsubscribe.as_view()),
    path("messages", staff.Messages.as_view()),
    path("messages/<uuid:message_id>", staff.MessageDetail.as_view()),
    path("messages/<uuid:message_id>/resend", staff.MessageResend.as_view()),
    path("message-templates", staff.Templates.as_view()),
    path(TEMPLATE, staff.TemplateDetail.as_view()),
    path(f"{TEMPLATE}/versions", staff.TemplateVersions.as_view()),
    path(f"{TEMPLATE}/preview", staff.TemplatePreview.as_view()),
    path(f"{TEMPLATE}/test-send", staff.TemplateTest.as_view()),
    path(f"{TEMPLATE}/publish", staff.TemplatePublication.as_view()),
    path(f"{TEMPLATE}/rollback", staff.TemplateRollback.as_view()),
]
