from typing import Any

from django.contrib.auth.models import Group
from rest_framework import serializers


class ShelfSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()


class CountingSerializer(ShelfSerializer):
    """Asks the database while it shapes a row."""

    count = serializers.SerializerMethodField()

    def get_count(self, group: Group) -> int:
        return Group.objects.count()


class SavingSerializer(ShelfSerializer):
    def create(self, validated_data: dict[str, Any]) -> Group:
        return Group.objects.create(**validated_data)
