"""Stock DRF: generic views, model serializers, its throttles, SimpleJWT."""

from rest_framework import generics, serializers
from rest_framework.permissions import IsAdminUser

from accounts.models import Account


class AccountSerializer(serializers.ModelSerializer):
    class Meta:
        model = Account
        fields = ["id", "email", "name", "phone", "role", "email_verified", "avatar", "created_at"]


class AccountDetailSerializer(AccountSerializer):
    class Meta(AccountSerializer.Meta):
        fields = [*AccountSerializer.Meta.fields, "is_active", "updated_at"]


class Me(generics.RetrieveAPIView):
    serializer_class = AccountSerializer

    def get_object(self):
        return self.request.user


class AccountList(generics.ListAPIView):
    queryset = Account.objects.order_by("-created_at", "-id")
    serializer_class = AccountDetailSerializer
    permission_classes = [IsAdminUser]
    filterset_fields = ["role", "is_active"]
    search_fields = ["name", "email"]
    ordering_fields = ["created_at", "name", "email"]
